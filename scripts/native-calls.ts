/**
 * @file Writes the C++ side of the kernels' declarations (`nativeCall` in src/kernels): native/calls.h with a struct for
 * each call, native/kernels.cc, which includes every kernel's source, fills the structs, checks the lengths of the
 * buffers and lists the kernels. Both are committed, so that an installed package builds with Node and a compiler alone;
 * a test says when they are stale.
 *
 *   npx tsx scripts/native-calls.ts          writes them
 */
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ANY_LENGTH,
  type BufferSpec,
  type ChoiceSpec,
  declaredCalls,
  type NativeCall,
  type NumberSpec,
  numberPlaces,
} from '../src/device/native/calls.ts';
import { packageRoot } from '../src/io/package-root.ts';

const native = join(packageRoot(), 'native');
const HEAD = '// Written by scripts/native-calls.ts from the declarations in src/kernels: not to be changed by hand.\n';

const cppTypes = { float32: 'float', int32: 'int32_t', uint8: 'uint8_t', float64: 'double' } as const;
const numberTypes = { size: 'int64_t', float: 'float', double: 'double', uint32: 'uint32_t', flag: 'bool' } as const;

/** Imports everything that declares a call. @returns the declarations in the order of their names */
async function loadCalls(): Promise<NativeCall[]> {
  const folder = join(packageRoot(), 'src', 'kernels');
  const entries = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory());
  for (const { name } of entries) {
    const files = readdirSync(join(folder, name)).filter(file => file.endsWith('.ts'));
    for (const file of files) await import(join(folder, name, file));
  }
  return [...declaredCalls().values()].sort((a, b) => (a.kernel < b.kernel ? -1 : 1));
}

/** The files to be written, by path. */
export async function nativeSources(): Promise<ReadonlyMap<string, string>> {
  const calls = await loadCalls();
  const structs = structsOf(calls);
  const signature = createHash('sha256').update(structs).digest('hex').slice(0, 16);
  return new Map([
    [join(native, 'calls.h'), header(structs, signature)],
    [join(native, 'kernels.cc'), table(calls)],
    [join(packageRoot(), 'src', 'device', 'native', 'signature.ts'), signatureModule(signature)],
  ]);
}

function pascal(name: string): string {
  return name[0].toUpperCase() + name.slice(1);
}

function isChoice(spec: NumberSpec): spec is ChoiceSpec {
  return typeof spec === 'object' && 'names' in spec;
}

function fieldOf(name: string, spec: NumberSpec): string {
  if (isChoice(spec)) return `${spec.enum} ${name};`;
  if (typeof spec === 'object') return `int64_t ${name}[${spec.list}];`;
  return `${numberTypes[spec]} ${name};`;
}

function fieldsOf(call: Pick<NativeCall, 'buffers' | 'numbers'>, indent: string): string[] {
  const pointers = Object.entries(call.buffers).map(([name, { type, elements, written, optional }]) => {
    const absent = optional ? ', or null' : '';
    const field = `${indent}${written ? '' : 'const '}${cppTypes[type]}* ${name};`;
    if (elements !== ANY_LENGTH) return `${field}  // [${elements}]${absent}`;
    return `${field}  // [${name}Length]${absent}\n${indent}int64_t ${name}Length;`;
  });
  return [...pointers, ...Object.entries(call.numbers).map(([name, spec]) => indent + fieldOf(name, spec))];
}

function structOf(call: NativeCall): string {
  const { kernel, slots } = call;
  const own = slots === undefined ? [] : [`  struct Slot {`, ...fieldsOf(slots, '    '), '  };'];
  const list = slots === undefined ? [] : ['  int slotCount;', `  Slot slots[${slots.most}];`];
  const lines = [...own, ...fieldsOf(call, '  '), ...list];
  return [`struct ${pascal(kernel)}Call {`, ...lines, '};', `void ${kernel}(const ${pascal(kernel)}Call& call);`].join(
    '\n',
  );
}

/** The enums and structs of all calls. */
function structsOf(calls: readonly NativeCall[]): string {
  const enums = new Map<string, string>();
  for (const spec of calls.flatMap(({ numbers, slots }) => Object.values({ ...slots?.numbers, ...numbers }))) {
    if (!isChoice(spec)) continue;
    const text = `enum class ${spec.enum} { ${spec.names.join(', ')} };`;
    if ((enums.get(spec.enum) ?? text) !== text) throw new Error(`two enums ${spec.enum} that are not alike`);
    enums.set(spec.enum, text);
  }
  return [
    [...enums.keys()]
      .sort()
      .map(name => enums.get(name))
      .join('\n'),
    ...calls.map(structOf),
  ].join('\n\n');
}

function header(structs: string, signature: string): string {
  return `${HEAD}#pragma once
#include <cstdint>

namespace tessera {

// Of the declarations that this was written from; TypeScript loads no build of others.
constexpr char kSignature[] = "${signature}";

${structs}

}  // namespace tessera
`;
}

function signatureModule(signature: string): string {
  return `/** @file Written by scripts/native-calls.ts: which declarations native/calls.h was written from. */

export const callsSignature = '${signature}';
`;
}

/** A formula of a call's numbers as C++ on doubles, and the numbers in it. */
function formula(elements: string): { readonly text: string; readonly names: readonly string[] } {
  if (/[^\w\s+\-*/(),[\]]/.test(elements)) throw new Error(`native call: ${elements} is not a formula`);
  const functions: Readonly<Record<string, string>> = { ceil: 'std::ceil', max: 'std::fmax', min: 'std::fmin' };
  const names = new Set<string>();
  const text = elements.replaceAll(/[A-Za-z_]\w*/g, word => {
    if (functions[word] === undefined) names.add(word);
    return functions[word] ?? word;
  });
  return { text, names: [...names] };
}

/** A call's own fields, or those of one of its slots. */
interface Group {
  readonly kernel: string;
  readonly buffers: Readonly<Record<string, BufferSpec>>;
  readonly numbers: Readonly<Record<string, NumberSpec>>;
  readonly atMost?: Readonly<Record<string, number>>;
  /** Where buffer and number i of the group are among the arguments, in C++. */
  readonly bufferAt: (i: number) => string;
  readonly numberAt: (i: number) => string;
  /** What is filled, in C++. */
  readonly target: string;
}

/** Lines that fill one group of fields; `known` are numbers outside of it that its formulas may use. */
function fillLines(group: Group, known: readonly string[]): string[] {
  const { kernel, buffers, numbers, atMost = {} } = group;
  const sized = Object.values(buffers).filter(({ elements }) => elements !== ANY_LENGTH);
  const formulas = [...sized.map(({ elements }) => elements), ...Object.keys(atMost)];
  const used = new Set(formulas.flatMap(elements => formula(elements).names));
  for (const name of used) {
    if (!(name in numbers) && !known.includes(name)) throw new Error(`native call ${kernel}: no number ${name}`);
  }
  const limits = Object.entries(atMost).map(
    ([terms, most]) => `if (!(${formula(terms).text} <= ${most})) return "${kernel}: ${terms} is more than ${most}";`,
  );
  return [...numberLines(group, used), ...limits, ...bufferLines(group)];
}

/** @param used numbers that formulas need as doubles */
function numberLines({ kernel, numbers, numberAt, target }: Group, used: ReadonlySet<string>): string[] {
  const { places } = numberPlaces(numbers);
  return Object.entries(numbers).flatMap(([name, spec]) => {
    const at = numberAt(places.get(name) as number);
    const list = typeof spec === 'object' && 'list' in spec;
    const field = `${target}.${name}`;
    const double = list
      ? `const double* ${name} = args.numbers + ${at};`
      : `const double ${name} = args.numbers[${at}];`;
    const checked = (read: string) => `if (!${read}) return "${kernel}: ${name} is not what its kernel takes";`;
    const filled = isChoice(spec)
      ? checked(`readChoice(args, ${at}, ${spec.names.length}, &${field})`)
      : list
        ? checked(`readSizes(args, ${at}, ${spec.list}, ${field})`)
        : spec === 'size'
          ? checked(`readSize(args, ${at}, &${field})`)
          : spec === 'flag'
            ? `${field} = args.numbers[${at}] != 0;`
            : `${field} = static_cast<${numberTypes[spec]}>(args.numbers[${at}]);`;
    return [...(used.has(name) ? [double] : []), filled];
  });
}

function bufferLines({ kernel, buffers, bufferAt, target }: Group): string[] {
  return Object.entries(buffers).flatMap(([name, { elements, optional }], i) => {
    const field = `${target}.${name}`;
    if (elements === ANY_LENGTH) return [`readAny(args, ${bufferAt(i)}, &${field}, &${field}Length);`];
    const read = optional ? 'readOptional' : 'readBuffer';
    return [
      `if (!${read}(args, ${bufferAt(i)}, ${formula(elements).text}, &${field})) {`,
      `  return tooShort(args, ${bufferAt(i)}, ${formula(elements).text}, ${field}, "${kernel}", "${name}", "${elements}");`,
      '}',
    ];
  });
}

/** How many buffers and numbers a group has. */
function sizeOf(group: Pick<NativeCall, 'buffers' | 'numbers'>): {
  readonly buffers: number;
  readonly numbers: number;
} {
  return { buffers: Object.keys(group.buffers).length, numbers: numberPlaces(group.numbers).count };
}

/** The C++ function that reads a call's arguments and makes it. */
function readerOf(call: NativeCall): string {
  const { kernel, slots } = call;
  const own = sizeOf(call);
  const each = slots === undefined ? { buffers: 0, numbers: 0 } : sizeOf(slots);
  const count = (kind: 'buffers' | 'numbers') =>
    slots === undefined ? `${own[kind]}` : `${own[kind]} + count * ${each[kind]}`;
  const slotCount = `const int count = (args.bufferCount - ${own.buffers}) / ${each.buffers};`;
  const group = { kernel, bufferAt: String, numberAt: String, target: 'call' };
  const body = [
    ...(slots === undefined ? [] : [slotCount]),
    `if (${slots === undefined ? '' : `count < 0 || count > ${slots.most} || `}args.bufferCount != ${count('buffers')} ||`,
    `    args.numberCount != ${count('numbers')}) {`,
    `  return "${kernel}: other buffers or numbers than this build takes";`,
    '}',
    `${pascal(kernel)}Call call;`,
    ...fillLines({ ...call, ...group }, []),
  ];
  if (slots !== undefined) {
    const at = (first: number, step: number) => (i: number) => `${first + i} + s * ${step}`;
    const places = { bufferAt: at(own.buffers, each.buffers), numberAt: at(own.numbers, each.numbers) };
    body.push('call.slotCount = count;', 'for (int s = 0; s < count; s++) {');
    const lines = fillLines({ ...slots, kernel, ...places, target: 'call.slots[s]' }, Object.keys(call.numbers));
    body.push(...lines.map(line => `  ${line}`), '}');
  }
  body.push(`${kernel}(call);`, 'return nullptr;');
  return [`const char* ${kernel}Of(const Args& args) {`, ...body.map(line => `  ${line}`), '}'].join('\n');
}

function table(calls: readonly NativeCall[]): string {
  const apart = /^(addon|cpu|kernels|threads|conv.*|wasm_.*)\.cc$/;
  const sources = readdirSync(native).filter(name => name.endsWith('.cc') && !apart.test(name));
  const includes = sources.sort().map(name => `#include "${name}"`);
  const rows = calls.map(({ kernel }) => `      {"${kernel}", calls::${kernel}Of},`);
  return `${HEAD}
// One translation unit for all kernels but convolutions: those take a compiler as long as all others together, and are
// compiled at the same time.
#include <cmath>

#include "call_reader.h"
#include "calls.h"
${includes.join('\n')}

namespace tessera {
namespace calls {

${calls.map(readerOf).join('\n\n')}

}  // namespace calls

const Kernel* kernelTable(int* count) {
  static const Kernel table[] = {
${rows.join('\n')}
  };
  *count = sizeof(table) / sizeof(table[0]);
  return table;
}

}  // namespace tessera
`;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await nativeSources()) writeFileSync(path, text);
}
