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
import { packageRoot } from '../src/device/native/addon.ts';
import {
  ANY_LENGTH,
  type BufferSpec,
  type ChoiceSpec,
  declaredCalls,
  type NativeCall,
  type NumberSpec,
  numberPlaces,
} from '../src/device/native/calls.ts';

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

/** A formula of a call's numbers as C++ on doubles, which do not wrap around, and the numbers in it. */
function formula(elements: string): { readonly text: string; readonly names: readonly string[] } {
  if (/[^\w\s+\-*/(),[\]]/.test(elements)) throw new Error(`native call: ${elements} is not a formula`);
  const functions: Readonly<Record<string, string>> = { ceil: 'std::ceil', max: 'std::fmax', min: 'std::fmin' };
  const names = new Set<string>();
  const text = elements.replaceAll(/[A-Za-z_]\w*|\d+/g, word => {
    if (/^\d/.test(word)) return word;
    if (functions[word] === undefined) names.add(word);
    return functions[word] ?? word;
  });
  return { text: text.replaceAll(/\[([^\]]*)\]/g, '[$1]'), names: [...names] };
}

interface Group {
  readonly kernel: string;
  readonly buffers: Readonly<Record<string, BufferSpec>>;
  readonly numbers: Readonly<Record<string, NumberSpec>>;
  readonly atMost?: Readonly<Record<string, number>>;
  /** Where the group begins among buffers and numbers, in C++, and what is filled. */
  readonly firstBuffer: string;
  readonly firstNumber: string;
  readonly target: string;
}

/** Lines that fill one group of fields; `known` are numbers outside of it that its formulas may use. */
function fillLines(
  { kernel, buffers, numbers, atMost = {}, firstBuffer, firstNumber, target }: Group,
  known: readonly string[],
): string[] {
  const { places } = numberPlaces(numbers);
  const at = (name: string) => `${firstNumber}${places.get(name)}`;
  const sized = Object.values(buffers).filter(({ elements }) => elements !== ANY_LENGTH);
  const formulas = [...sized.map(({ elements }) => elements), ...Object.keys(atMost)];
  const used = new Set(formulas.flatMap(elements => formula(elements).names));
  const lines: string[] = [];
  for (const [name, spec] of Object.entries(numbers)) {
    const list = typeof spec === 'object' && 'list' in spec;
    if (used.has(name)) {
      lines.push(
        list
          ? `const double* ${name} = args.numbers + ${at(name)};`
          : `const double ${name} = args.numbers[${at(name)}];`,
      );
    }
    const complain = `return "${kernel}: ${name} is not what its kernel takes";`;
    if (isChoice(spec)) {
      lines.push(`if (!readChoice(args, ${at(name)}, ${spec.names.length}, &${target}.${name})) ${complain}`);
    } else if (list) {
      lines.push(`for (int i = 0; i < ${spec.list}; i++) {`);
      lines.push(`  if (!readSize(args, ${at(name)} + i, &${target}.${name}[i])) ${complain}`, '}');
    } else if (spec === 'size') lines.push(`if (!readSize(args, ${at(name)}, &${target}.${name})) ${complain}`);
    else if (spec === 'flag') lines.push(`${target}.${name} = args.numbers[${at(name)}] != 0;`);
    else lines.push(`${target}.${name} = static_cast<${numberTypes[spec]}>(args.numbers[${at(name)}]);`);
  }
  for (const name of used) {
    if (!places.has(name) && !known.includes(name)) throw new Error(`native call ${kernel}: no number ${name}`);
  }
  for (const [terms, most] of Object.entries(atMost)) {
    lines.push(`if (!(${formula(terms).text} <= ${most})) return "${kernel}: ${terms} is more than ${most}";`);
  }
  Object.entries(buffers).forEach(([name, { elements, optional }], i) => {
    if (elements === ANY_LENGTH) {
      lines.push(`readAny(args, ${firstBuffer}${i}, &${target}.${name}, &${target}.${name}Length);`);
      return;
    }
    const read = optional ? 'readOptional' : 'readBuffer';
    lines.push(`if (!${read}(args, ${firstBuffer}${i}, ${formula(elements).text}, &${target}.${name})) {`);
    lines.push(`  return "${kernel}: ${name} has less than ${elements} elements";`, '}');
  });
  return lines;
}

function fillerOf(call: NativeCall): string {
  const { kernel, buffers, numbers, atMost, slots } = call;
  const own = [Object.keys(buffers).length, numberPlaces(numbers).count];
  const body: string[] = [];
  if (slots === undefined) {
    body.push(`if (args.bufferCount != ${own[0]} || args.numberCount != ${own[1]}) return "${kernel}: ${stale}";`);
  } else {
    const each = [Object.keys(slots.buffers).length, numberPlaces(slots.numbers).count];
    body.push(`const int count = (args.bufferCount - ${own[0]}) / ${each[0]};`);
    body.push(`if (count < 0 || count > ${slots.most} || args.bufferCount != ${own[0]} + count * ${each[0]} ||`);
    body.push(`    args.numberCount != ${own[1]} + count * ${each[1]}) {`, `  return "${kernel}: ${stale}";`, '}');
  }
  body.push(`${pascal(kernel)}Call call;`);
  body.push(...fillLines({ kernel, buffers, numbers, atMost, firstBuffer: '', firstNumber: '', target: 'call' }, []));
  if (slots !== undefined) {
    const each = [Object.keys(slots.buffers).length, numberPlaces(slots.numbers).count];
    const places = { firstBuffer: `${own[0]} + s * ${each[0]} + `, firstNumber: `${own[1]} + s * ${each[1]} + ` };
    const outer = Object.keys(numbers);
    const group = { kernel, buffers: slots.buffers, numbers: slots.numbers, ...places, target: 'call.slots[s]' };
    body.push('call.slotCount = count;', 'for (int s = 0; s < count; s++) {');
    body.push(...fillLines(group, outer).map(line => `  ${line}`), '}');
  }
  body.push(`${kernel}(call);`, 'return nullptr;');
  return [`const char* ${kernel}Of(const Args& args) {`, ...body.map(line => `  ${line}`), '}'].join('\n');
}

const stale = 'other buffers or numbers than this build takes; rebuild with npx tessera build-native';

function table(calls: readonly NativeCall[]): string {
  const apart = /^(addon|cpu|kernels|threads|conv.*)\.cc$/;
  const sources = readdirSync(native).filter(name => name.endsWith('.cc') && !apart.test(name));
  return `${HEAD}
// One translation unit for all kernels but convolutions: those take a compiler as long as all others together, and are
// compiled at the same time.
#include "kernels.h"

#include <cmath>

#include "calls.h"
${sources
  .sort()
  .map(name => `#include "${name}"`)
  .join('\n')}

namespace tessera {
namespace calls {

bool readSize(const Args& args, int i, int64_t* out) {
  *out = static_cast<int64_t>(args.numbers[i]);
  return args.numbers[i] >= 0 && args.numbers[i] <= 9007199254740992.0;
}

template <class Choice>
bool readChoice(const Args& args, int i, int count, Choice* out) {
  if (!(args.numbers[i] >= 0 && args.numbers[i] < count)) return false;
  *out = static_cast<Choice>(static_cast<int>(args.numbers[i]));
  return true;
}

// Arrays without elements may have no address.
template <class T>
bool readBuffer(const Args& args, int i, double elements, T** out) {
  *out = static_cast<T*>(args.buffers[i]);
  return elements <= 0 || (args.buffers[i] != nullptr && args.bytes[i] >= elements * sizeof(T));
}

template <class T>
bool readOptional(const Args& args, int i, double elements, T** out) {
  *out = static_cast<T*>(args.buffers[i]);
  return args.buffers[i] == nullptr || args.bytes[i] >= elements * sizeof(T);
}

// The kernel checks the length itself.
template <class T>
void readAny(const Args& args, int i, T** out, int64_t* length) {
  *out = static_cast<T*>(args.buffers[i]);
  *length = static_cast<int64_t>(args.bytes[i] / sizeof(T));
}

${calls.map(fillerOf).join('\n\n')}

}  // namespace calls

const Kernel* kernelTable(int* count) {
  static const Kernel table[] = {
${calls.map(({ kernel }) => `      {"${kernel}", calls::${kernel}Of},`).join('\n')}
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
