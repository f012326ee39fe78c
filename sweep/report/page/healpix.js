// HEALPix, RING order, and the Mollweide projection. Górski et al. 2005 (arXiv:astro-ph/0409513).

/** Pixel that a direction lies in; z is sin(latitude), phi the longitude in [0, 2 pi). */
function pixelAt(nside, z, phi) {
  const size = Math.abs(z);
  const tt = (phi / (Math.PI / 2)) % 4;
  if (size <= 2 / 3) {
    const along = nside * (0.5 + tt);
    const across = nside * z * 0.75;
    const up = Math.floor(along - across);
    const down = Math.floor(along + across);
    const ring = nside + 1 + up - down;
    const shift = 1 - (ring & 1);
    const column = (up + down - nside + shift + 1) >> 1;
    const wrapped = ((column % (4 * nside)) + 4 * nside) % (4 * nside);
    return 2 * nside * (nside - 1) + (ring - 1) * 4 * nside + wrapped;
  }
  const within = tt - Math.floor(tt);
  const scale = nside * Math.sqrt(3 * (1 - size));
  const up = Math.floor(within * scale);
  const down = Math.floor((1 - within) * scale);
  const ring = up + down + 1;
  const column = Math.floor(tt * ring) % (4 * ring);
  if (z > 0) return 2 * ring * (ring - 1) + column;
  return 12 * nside * nside - 2 * ring * (ring + 1) + column;
}

/** Galactic latitude and longitude, radians, at a place of a Mollweide map; null outside of it. */
function directionAt(x, y, width, height) {
  const u = 2 * ((x + 0.5) / width) - 1;
  const v = 1 - 2 * ((y + 0.5) / height);
  if (u * u + v * v > 1) return null;
  const theta = Math.asin(v);
  const z = Math.min(1, Math.max(-1, (2 * theta + Math.sin(2 * theta)) / Math.PI));
  const longitude = (-Math.PI * u) / Math.cos(theta); // increases to the left, seen from inside
  return { z, phi: longitude < 0 ? longitude + 2 * Math.PI : longitude };
}

const tables = new Map();

/** The pixel under each point of a Mollweide map, -1 outside; computed once. */
function mollweide(nside, width, height) {
  const key = `${nside} ${width}`;
  if (!tables.has(key)) {
    const table = new Int32Array(width * height).fill(-1);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const direction = directionAt(x, y, width, height);
        if (direction) table[y * width + x] = pixelAt(nside, direction.z, direction.phi);
      }
    }
    tables.set(key, table);
  }
  return tables.get(key);
}
