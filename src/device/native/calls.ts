/**
 * @file How a C++ kernel is called: the names, the order and the sizes of its buffers and numbers, written once beside
 * the kernel. TypeScript passes objects by name; scripts/native-calls.ts writes a C++ struct with the same names from
 * each declaration (native/calls.h), and the code that fills it and checks every buffer's length (native/kernels.cc).
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';

type BufferType = 'float32' | 'int32' | 'uint8' | 'float64';

/** An array that a kernel reads or writes. */
export interface BufferSpec<Optional extends boolean = boolean> {
  readonly type: BufferType;
  /**
   * How many elements it has at least, from the call's numbers: sums and products of names, `ceil`, `max` and `min`.
   * `ANY_LENGTH` leaves the check to the kernel, which is told how many there are.
   */
  readonly elements: string;
  readonly written: boolean;
  readonly optional: Optional;
}

/** One of several names: an enum in C++. */
export interface ChoiceSpec<Name extends string = string> {
  readonly enum: string;
  readonly names: readonly Name[];
}

/** So many sizes side by side: an array in C++. */
export interface ListSpec {
  readonly list: number;
}

/** Sizes are checked not to be negative; flags are booleans; uint32 is for seeds. */
export type NumberSpec = 'size' | 'float' | 'double' | 'uint32' | 'flag' | ChoiceSpec | ListSpec;

type Buffers = Readonly<Record<string, BufferSpec>>;
type Numbers = Readonly<Record<string, NumberSpec>>;
type Given = TensorInfo | ArrayBufferView;

/** What a call is given for its declared buffers. */
export type GivenBuffers<B extends Buffers> = {
  readonly [Name in keyof B]: B[Name]['optional'] extends true ? Given | null | undefined : Given;
};

type GivenNumber<S extends NumberSpec> =
  S extends ChoiceSpec<infer Name>
    ? Name
    : S extends ListSpec
      ? readonly number[]
      : S extends 'flag'
        ? boolean
        : number;

/** What a call is given for its declared numbers. */
export type GivenNumbers<N extends Numbers> = { readonly [Name in keyof N]: GivenNumber<N[Name]> };

/** One of the slots of a call: parameters of an optimizer, terms of a sum. */
export interface GivenSlot<B extends Buffers, N extends Numbers> {
  readonly buffers: GivenBuffers<B>;
  readonly numbers: GivenNumbers<N>;
}

/** A recorded call by name, for counting its work. */
export interface NamedCall<
  B extends Buffers = Buffers,
  N extends Numbers = Numbers,
  SB extends Buffers = Buffers,
  SN extends Numbers = Numbers,
> {
  readonly buffers: { readonly [Name in keyof B]: ArrayBufferView | null };
  readonly numbers: GivenNumbers<N>;
  readonly slots: readonly {
    readonly buffers: { readonly [Name in keyof SB]: ArrayBufferView | null };
    readonly numbers: GivenNumbers<SN>;
  }[];
}

/** What counts of work of several calls with the same numbers need. */
export type NamedNumbers<N extends Numbers> = Pick<NamedCall<Buffers, N>, 'numbers'>;

/** What a call has to do, for the roofline (scripts/bench): what the model needs, so that work done twice counts once. */
export interface KernelWork {
  /** The sizes that matter most: calls that agree in them are alike. Default the elements of the largest buffer. */
  readonly shape?: string;
  /** Floating-point operations of products; a multiply-add is two. Default 0: bound by memory. */
  readonly flops?: number;
  /** Bytes of memory read and written; default every buffer once. */
  readonly bytes?: number;
}

/** The declaration of a C++ kernel's call. */
export interface NativeCall<
  B extends Buffers = Buffers,
  N extends Numbers = Numbers,
  SB extends Buffers = Buffers,
  SN extends Numbers = Numbers,
> {
  /** The kernel's name: a C++ function that takes the struct. */
  readonly kernel: string;
  readonly buffers: B;
  readonly numbers: N;
  /** The most that a formula of the numbers may give, where a kernel has room for no more. */
  readonly atMost?: Readonly<Record<string, number>>;
  /** Buffers and numbers that come again and again, after the others: at most `most` times. */
  readonly slots?: { readonly most: number; readonly buffers: SB; readonly numbers: SN };
  readonly work?: (call: NamedCall<B, N, SB, SN>) => KernelWork;
}

/** Elements of an array whose length is the build's affair, such as packed weights. */
export const ANY_LENGTH = 'any';

/** An array that a kernel reads; its elements as a formula of the call's numbers. */
export function reads(elements: string, type: BufferType = 'float32'): BufferSpec<false> {
  return { type, elements, written: false, optional: false };
}

/** An array that a kernel fills or updates. */
export function writes(elements: string, type: BufferType = 'float32'): BufferSpec<false> {
  return { type, elements, written: true, optional: false };
}

/** The same array, which may be absent: a null pointer in C++. */
export function optional(spec: BufferSpec): BufferSpec<true> {
  return { ...spec, optional: true };
}

/** A number that is one of these names. */
export function oneOf<const Name extends string>(enumName: string, names: readonly Name[]): ChoiceSpec<Name> {
  return { enum: enumName, names };
}

/** What the operands of products are rounded to. */
export const precisionNumber = oneOf('Precision', ['fp32', 'bf16']);

const declarations = new Map<string, NativeCall>();

/** The calls declared so far, by kernel. */
export function declaredCalls(): ReadonlyMap<string, NativeCall> {
  return declarations;
}

/**
 * Declares the call of a C++ kernel.
 * @returns what `NativeBackend.call` takes
 */
export function nativeCall<
  const B extends Buffers,
  const N extends Numbers,
  const SB extends Buffers = Buffers,
  const SN extends Numbers = Numbers,
>(call: NativeCall<B, N, SB, SN>): NativeCall<B, N, SB, SN> {
  if (declarations.has(call.kernel)) throw new Error(`the call of native kernel ${call.kernel} is declared twice`);
  declarations.set(call.kernel, call as unknown as NativeCall); // by name, of any kernel
  return call;
}

/** How many of the packed numbers a declared number takes. */
function widthOf(spec: NumberSpec): number {
  return typeof spec === 'object' && 'list' in spec ? spec.list : 1;
}

/** Where each number begins among those of its group, and how many there are. */
export function numberPlaces(numbers: Numbers): {
  readonly places: ReadonlyMap<string, number>;
  readonly count: number;
} {
  let count = 0;
  const places = new Map<string, number>();
  for (const [name, spec] of Object.entries(numbers)) {
    places.set(name, count);
    count += widthOf(spec);
  }
  return { places, count };
}

/** The names of a declaration in their order, so that a call need not ask for them. */
export interface Names {
  readonly buffers: readonly string[];
  readonly numbers: readonly string[];
}

const namesOfGroups = new WeakMap<object, Names>();

/** The names of a call's or a slot's buffers and numbers. */
export function namesOf(group: { readonly buffers: Buffers; readonly numbers: Numbers }): Names {
  let names = namesOfGroups.get(group);
  if (names === undefined) {
    names = { buffers: Object.keys(group.buffers), numbers: Object.keys(group.numbers) };
    namesOfGroups.set(group, names);
  }
  return names;
}

/** Appends numbers as C++ gets them: names as their place in the list, flags as 0 or 1. */
export function packNumbers(
  names: readonly string[],
  specs: Numbers,
  given: Readonly<Record<string, unknown>>,
  packed: number[],
): void {
  for (const name of names) {
    const value = given[name];
    if (typeof value === 'number') packed.push(value);
    else packNamed(name, specs[name], value, packed);
  }
}

function packNamed(name: string, spec: NumberSpec, value: unknown, packed: number[]): void {
  if (typeof value === 'boolean') packed.push(value ? 1 : 0);
  else if (Array.isArray(value) && value.length === widthOf(spec)) packed.push(...(value as number[]));
  else {
    const place = typeof spec === 'object' && 'names' in spec ? spec.names.indexOf(value as string) : -1;
    if (place < 0) throw new Error(`native: number ${name} is not what its kernel declares`);
    packed.push(place);
  }
}

/** The packed buffers and numbers of a call by name. */
export function unpackCall(
  declaration: NativeCall,
  views: readonly (ArrayBufferView | null)[],
  packed: readonly number[],
): NamedCall {
  const names = Object.keys(declaration.buffers);
  const { count } = numberPlaces(declaration.numbers);
  const { slots } = declaration;
  const result = {
    buffers: namedViews(names, views.slice(0, names.length)),
    numbers: namedNumbers(declaration.numbers, packed.slice(0, count)),
  };
  if (slots === undefined) return { ...result, slots: [] };
  const slotNames = Object.keys(slots.buffers);
  const width = numberPlaces(slots.numbers).count;
  const times = (views.length - names.length) / slotNames.length;
  return {
    ...result,
    slots: Array.from({ length: times }, (_, i) => ({
      buffers: namedViews(slotNames, views.slice(names.length + i * slotNames.length)),
      numbers: namedNumbers(slots.numbers, packed.slice(count + i * width)),
    })),
  };
}

function namedViews(names: readonly string[], views: readonly (ArrayBufferView | null)[]) {
  return Object.fromEntries(names.map((name, i) => [name, views[i]]));
}

function namedNumbers(specs: Numbers, packed: readonly number[]): GivenNumbers<Numbers> {
  const { places } = numberPlaces(specs);
  const given = Object.entries(specs).map(([name, spec]) => {
    const at = places.get(name) as number;
    if (typeof spec === 'object') {
      return [name, 'list' in spec ? packed.slice(at, at + spec.list) : spec.names[packed[at]]] as const;
    }
    return [name, spec === 'flag' ? packed[at] === 1 : packed[at]] as const;
  });
  return Object.fromEntries(given);
}
