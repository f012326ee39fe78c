// What was run: commands, versions, commits, machines, and the settings that all share.

function drawProvenance(report) {
  const launches = report.launches.map((launch, k) =>
    el(
      "details",
      { class: "card", open: k === 0 },
      el("summary", null, `${launch.created || "a launch"}: ${many(launch.experiments, "experiment")}`),
      el("p", { class: "muted" }, "Command"),
      el("pre", { class: "command" }, launch.command),
      pairs([
        ["commit", launch.commit || ABSENT],
        ["machine", [launch.machine, launch.processor].filter(Boolean).join(", ") || ABSENT],
        ["segments", launch.segments.join(", ")],
        ["versions", Object.entries(launch.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
      ]),
    ),
  );
  const shared = Object.entries(report.base).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : plain(value, 8)]);
  const differ = report.settings
    .filter((s) => s.values.length > 1)
    .map((s) => [s.name, sortedCodes(s).map((c) => plain(s.values[c])).join(", ")]);
  fill(
    byId("provenance-body"),
    launches,
    el("h3", null, "Settings that differ"),
    differ.length ? pairs(differ) : el("p", { class: "muted" }, "None: there is one experiment."),
    el("details", null, el("summary", null, `Settings that all experiments share (${shared.length})`), pairs(shared)),
  );
}
