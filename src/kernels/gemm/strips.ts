/**
 * @file The product of a few rows with many columns (a token to decode, a small batch) or of many rows with a few columns
 * (a layer with one output): the many are read once, so memory is the limit. A workgroup makes a strip of the many, for up
 * to 16 of the few; invocations share out K or the strip, whichever moves through neighbouring memory, and their sums are
 * added up in workgroup memory, in fixed order. With four or more of the few, an invocation has two of the many at a time
 * (four if they are loaded together), so that the few, which come from the cache, do not hold up the many.
 */
import type { Kernel, Operand, Product } from './product.ts';

const SIZE = 128;
/** Invocations side by side along `fast` of the many. */
const SIDE = 32;
/** Sums of an invocation that are added up at a time, in 8 KiB of workgroup memory. */
const SUMS = 16;
const MOST = 16;

const XYZW = 'xyzw';
const lines = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i)).join('\n');
const list = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i)).join();

/** Declares f_0 to f_(rows - 1), the few at k; vectors of four k's if `step` is 4. */
function loadFew(load: string, { fast, width = 1 }: Operand, rows: number, step: 1 | 4): string {
  if (width === 4 && fast === 'row') {
    // Four rows from one vector: a vector for each k, turned round where there are four of them.
    return lines(rows / 4, i => {
      const turned = (c: number) =>
        step === 1 ? `v_${i}_0.${XYZW[c]}` : `vec4f(${list(4, k => `v_${i}_${k}.${XYZW[c]}`)})`;
      return `${lines(step, k => `let v_${i}_${k} = ${load}(few_${4 * i}, k + ${k}u, batch);`)}
        ${lines(4, c => `let f_${4 * i + c} = ${turned(c)};`)}`;
    });
  }
  return lines(rows, r => {
    if (width === 1 && step === 4) return `let f_${r} = vec4f(${list(4, k => `${load}(few_${r}, k + ${k}u, batch)`)});`;
    if (width === 4 && step === 1) return `let f_${r} = ${load}(few_${r}, k - k % 4u, batch)[k % 4u];`;
    return `let f_${r} = ${load}(few_${r}, k, batch);`;
  });
}

export function stripsProgram(product: Product): Kernel {
  const { M, N, batch = 1, parts = 1, storeWidth = 1 } = product;
  const fewRows = M <= N;
  const [few, many] = fewRows ? [product.a, product.b] : [product.b, product.a];
  const [loadFewName, loadMany] = fewRows ? ['load_a', 'load_b'] : ['load_b', 'load_a'];
  const [fewCount, manyCount] = fewRows ? [M, N] : [N, M];
  const [fewLimit, manyLimit] = fewRows ? ['u.M', 'u.N'] : ['u.N', 'u.M'];
  const fewByFour = few.width === 4 && few.fast === 'row';
  const least = fewByFour || (storeWidth === 4 && !fewRows) ? 4 : 1;
  const rows = [1, 2, 4, 8].find(r => r >= least && fewCount <= r) ?? MOST;

  const step = many.fast === 'k' && many.width === 4 ? 4 : 1;
  const together = many.fast === 'row' && many.width === 4;
  const columns = together ? 4 : rows >= 4 ? 2 : 1;
  // Invocations that share one of the many, and how many such sets a workgroup has.
  const slices = many.fast === 'k' ? SIDE : SIZE / SIDE;
  const sets = SIZE / slices;
  const [slice, set] =
    many.fast === 'k' ? [`lane % ${SIDE}u`, `lane / ${SIDE}u`] : [`lane / ${SIDE}u`, `lane % ${SIDE}u`];
  const strip = sets * columns;
  const strips = Math.ceil(manyCount / strip);
  const blocksOfFew = Math.ceil(fewCount / rows);
  const blocks = strips * blocksOfFew * batch * parts;

  const inStrip = (c: number) => (together ? `group_of * 4u + ${c}u` : `group_of + ${sets * c}u`);
  const term = (r: number, c: number) => (step === 4 ? `dot(f_${r}, m_${c})` : `f_${r} * m_${c}`);
  const manyAt = (c: number) => `min(many_first + ${inStrip(c)}, ${manyLimit} - ${together ? 4 : 1}u)`;
  const fewAt = (r: number) =>
    fewByFour ? `min(few_first + ${r - (r % 4)}u, ${fewLimit} - 4u)` : `min(few_first + ${r}u, ${fewLimit} - 1u)`;
  const atOnce = Math.min(rows, SUMS / columns);

  // The sum of result (f of the few in this round, m in the strip); four neighbouring columns where they are stored so.
  const total = (f: string, m: string) => `total((${f}) * ${strip}u + ${m})`;
  const neighbour = (n: number) => (fewRows ? total('f', `m + ${n}u`) : total(`f + ${n}u`, 'm'));
  const value = storeWidth === 4 ? `vec4f(${list(4, neighbour)})` : total('f', 'm');
  const [byFew, byMany] = storeWidth === 1 ? [1, 1] : fewRows ? [1, 4] : [4, 1];
  /** Adds up the sums of the few from `first` on, and stores them. */
  const finish = (first: number) => `
    workgroupBarrier();
    ${lines(atOnce, r =>
      lines(columns, c => `partial[(${r * strip}u + ${inStrip(c)}) * ${slices + 1}u + slice] = sum_${first + r}_${c};`),
    )}
    workgroupBarrier();
    for (var e = lane; e < ${(atOnce * strip) / storeWidth}u; e += ${SIZE}u) {
      let f = e / ${strip / byMany}u * ${byFew}u;
      let m = e % ${strip / byMany}u * ${byMany}u;
      let of_few = few_first + ${first}u + f;
      let of_many = many_first + m;
      if (of_few < ${fewLimit} && of_many < ${manyLimit}) {
        put(${fewRows ? 'of_few, of_many' : 'of_many, of_few'}, batch, part, ${value});
      }
    }`;

  return {
    variant: `strips${rows}${fewRows ? 'r' : 'c'}`,
    size: SIZE,
    depth: 4,
    groups: blocks,
    uniforms: { strips, batches: batch, blocks },
    declarations: () => `
      var<workgroup> partial: array<f32, ${atOnce * columns * sets * (slices + 1)}>;
      fn total(result: u32) -> f32 {
        var sum = 0.0;
        for (var slice = 0u; slice < ${slices}u; slice++) { sum += partial[result * ${slices + 1}u + slice]; }
        return sum;
      }`,
    body: () => `
      if (block >= u.blocks) { return; }
      let many_first = block % u.strips * ${strip}u;
      let part = block / u.strips % u.parts;
      let batch = block / u.strips / u.parts % u.batches;
      let few_first = block / u.strips / u.parts / u.batches * ${rows}u;
      let k_end = min(u.K, (part + 1u) * u.part_length);
      let slice = ${slice};
      let group_of = ${set};
      ${lines(rows, r => `let few_${r} = ${fewAt(r)};`)}
      ${lines(columns, c => `let many_${c} = ${manyAt(c)};`)}
      ${lines(rows, r => lines(columns, c => `var sum_${r}_${c} = 0.0;`))}
      for (var k = part * u.part_length + slice * ${step}u; k < k_end; k += ${slices * step}u) {
        ${
          together
            ? `let m = ${loadMany}(many_0, k, batch); ${lines(4, c => `let m_${c} = m.${XYZW[c]};`)}`
            : lines(columns, c => `let m_${c} = ${loadMany}(many_${c}, k, batch);`)
        }
        ${loadFew(loadFewName, few, rows, step)}
        ${lines(rows, r => lines(columns, c => `sum_${r}_${c} += ${term(r, c)};`))}
      }
      ${lines(rows / atOnce, round => finish(round * atOnce))}`,
  };
}
