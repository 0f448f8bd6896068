/**
 * @file How a fused operation is defined: one name, one node on the tape, on every backend. Its `reference` is a
 * composition of plain tfjs operations that runs wherever a backend has no kernel of its own; `gradient` is written by
 * hand (tfjs cannot differentiate inside a gradient); `native` calls C++, `webgpu` sends WGSL. Where gradients of gradients are being taken
 * the plain composition is used, which tfjs can differentiate again.
 */
import type { NamedAttrMap, NamedTensorMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { booleanCheck, checkOptions, functionCheck, listCheck, objectCheck, textCheck } from '../core/checks.ts';
import { Registry } from '../core/registry.ts';
import { type InputInfos, NativeBackend } from '../device/native/native.ts';
import { gradientDepth, placeholderTensor, plainKernel, runKernel } from '../device/tfjs.ts';
import { GpuBackend } from '../device/webgpu/webgpu.ts';

export type Inputs = Readonly<Record<string, Tensor>>;
/** Objects are passed on as they are (a mask of attention). */
export type Attributes = Readonly<Record<string, number | boolean | string | object>>;
/** A gradient for each differentiable input, by name; inputs that are not differentiable are left out. */
export type Gradients = Record<string, Tensor | (() => Tensor)>;

export interface KernelDefinition {
  readonly name: string;
  /** Plain tfjs operations; returns every output. Called in a tidy. */
  readonly reference: (inputs: Inputs, attributes: Attributes) => Tensor[];
  /** The C++ kernel: inputs are untracked, outputs come from `backend.output(...)`. */
  readonly native?: (inputs: InputInfos, attributes: Attributes, backend: NativeBackend) => TensorInfo[];
  /** The WGSL kernels (`webgpu*.ts` beside the definition, with the helpers of src/kernels/wgsl), likewise. */
  readonly webgpu?: (inputs: InputInfos, attributes: Attributes, backend: GpuBackend) => TensorInfo[];
  /**
   * Whether the outputs are made again for the backward pass instead of being kept for it (tape.ts). For one pass over
   * memory without products; `gradient.saveInputs` must name every input.
   */
  readonly cheap?: boolean;
  readonly gradient?: {
    /** Names of the inputs that the backward pass needs. */
    readonly saveInputs: readonly string[];
    /** Which outputs it needs, by position. */
    readonly saveOutputs?: readonly boolean[];
    /**
     * @param dys gradients of the outputs by position, null for an output that the loss does not depend on
     * @param saved the saved inputs by name, and the saved outputs as `y0`, `y1`, ...
     */
    readonly run: (dys: readonly (Tensor | null)[], saved: Inputs, attributes: Attributes) => Gradients;
  };
}

const registry = new Registry<KernelDefinition>('Kernel');
const definitions = registry.all();

/** The fused operations defined so far, for tests that compare each of them with its reference. */
export function definedKernels(): ReadonlyMap<string, KernelDefinition> {
  return definitions;
}

const checks = {
  name: textCheck,
  reference: functionCheck,
  native: functionCheck,
  webgpu: functionCheck,
  cheap: booleanCheck,
  gradient: objectCheck,
};
const gradientChecks = {
  saveInputs: listCheck('names', textCheck),
  saveOutputs: listCheck('true or false', booleanCheck),
  run: functionCheck,
};

/** Registers a fused operation. @throws UserError if a field is not what it must be, or the name is taken */
export function defineKernel(definition: KernelDefinition): void {
  addKernel(definition, {});
}

/** `defineKernel` for an operation that comes with the program: it stays. */
export function defineBuiltInKernel(definition: KernelDefinition): void {
  addKernel(definition, { builtIn: true });
}

function addKernel(definition: KernelDefinition, options: { readonly builtIn?: boolean }): void {
  checkOptions('defineKernel', definition, checks, ['name', 'reference']);
  const { name, gradient } = definition;
  if (gradient !== undefined) checkOptions('defineKernel: gradient', gradient, gradientChecks, ['saveInputs', 'run']);
  registry.add(definition, options);
  if (gradient === undefined) return;
  const saveOutputs = gradient.saveOutputs ?? [];
  const outputNames = saveOutputs.flatMap((save, i) => (save ? [`y${i}`] : []));
  tf.registerGradient({
    kernelName: name,
    inputsToSave: [...gradient.saveInputs],
    outputsToSave: [...saveOutputs],
    gradFunc: (dy, saved, attributes) => {
      const dys = (Array.isArray(dy) ? dy : [dy]).map(given => (given === absentGradient ? null : given));
      const byName = named([...gradient.saveInputs, ...outputNames], saved, attributes as Attributes);
      const gradients = gradient.run(dys, byName, attributes as Attributes);
      return Object.fromEntries(
        Object.entries(gradients).map(([key, value]) => [key, typeof value === 'function' ? value : () => value]),
      );
    },
  });
}

/**
 * Takes a fused operation out again: nothing of it is left, and its name is free.
 * @throws UserError if `defineKernel` has added none of this name
 */
export function removeKernel(name: string): void {
  const definition = registry.remove(name);
  if (definition.gradient !== undefined) tf.unregisterGradient(name);
  for (const { backendName } of registeredKernels(name)) tf.unregisterKernel(name, backendName);
}

function registeredKernels(name: string): tf.KernelConfig[] {
  const backends = tf.engine().backendNames();
  return backends.flatMap(backend => tf.getKernelsForBackend(backend).filter(({ kernelName }) => kernelName === name));
}

/**
 * Stands for the gradient of an output of a fused operation that the loss does not depend on: where there is nothing at
 * all, tfjs makes an array of zeros.
 */
export const absentGradient = placeholderTensor();

/** Saved tensors by name. Optional inputs that were absent are absent here too: tfjs saves only those that were given. */
function named(
  names: readonly string[],
  saved: readonly Tensor[],
  { absent = '' }: Attributes,
): Record<string, Tensor> {
  const left = new Set(String(absent).split(','));
  const given = names.filter(name => !left.has(name));
  return Object.fromEntries(given.map((name, i) => [name, saved[i]]));
}

/** How to make an output of a cheap operation again. */
export interface Recipe {
  /** Which of its outputs. */
  readonly output: number;
  /** @param saved what the operation has saved on the tape; @returns every output, owned by the caller */
  readonly remake: (saved: readonly Tensor[]) => Tensor[];
}

/** By the data of the output. */
const recipes = new WeakMap<object, Recipe>();

/** How to make a tensor's data again, if a cheap operation made it while gradients were recorded. */
export function recipeOf(dataId: object): Recipe | undefined {
  return recipes.get(dataId);
}

function keepRecipe({ name, gradient }: KernelDefinition, given: Inputs, attributes: Attributes, made: Tensor[]): void {
  const saveInputs = gradient?.saveInputs ?? [];
  const unsaved = Object.keys(given).find(key => !saveInputs.includes(key));
  if (unsaved !== undefined) throw new Error(`kernel ${name} is cheap but does not save ${unsaved}`);
  const remake = (saved: readonly Tensor[]) => run(name, named(saveInputs, saved, attributes), attributes);
  made.forEach(({ dataId }, output) => {
    recipes.set(dataId, { output, remake });
  });
}

/** Registers the definition for the active backend the first time it is used there. */
function ensureRegistered(definition: KernelDefinition): void {
  const backendName = tf.getBackend();
  if (tf.getKernel(definition.name, backendName)) return;
  tf.registerKernel({
    kernelName: definition.name,
    backendName,
    kernelFunc: kernelFor(definition, tf.backend()),
  });
}

/** The backend's own kernel, or the composition of plain operations. */
function kernelFor({ native, webgpu, reference }: KernelDefinition, backend: tf.KernelBackend): tf.KernelFunc {
  if (backend instanceof NativeBackend && native !== undefined) {
    return ({ inputs, attrs }) => native(inputs as InputInfos, attrs as Attributes, backend);
  }
  if (backend instanceof GpuBackend && webgpu !== undefined) {
    return ({ inputs, attrs }) => webgpu(inputs as InputInfos, attrs as Attributes, backend);
  }
  return plainKernel<Attributes>(reference);
}

/** True while a first-order gradient is being recorded, when more than the outputs must be kept for the backward pass. */
export function recording(): boolean {
  return gradientDepth() === 1;
}

/**
 * Runs a fused operation on the active backend and records it on the tape.
 * @param name as in `defineKernel`
 * @param inputs tensors by name; undefined ones (optional inputs) are left out
 * @returns every output; the caller owns them and disposes those it does not use
 */
export function run(
  name: string,
  inputs: Readonly<Record<string, Tensor | undefined>>,
  attributes: Attributes = {},
): Tensor[] {
  const definition = definitions.get(name);
  if (definition === undefined) throw new Error(`kernel ${name} is not defined`);
  const given: Record<string, Tensor> = {};
  const absent: string[] = [];
  for (const [key, tensor] of Object.entries(inputs)) {
    if (tensor === undefined) absent.push(key);
    else given[key] = tensor;
  }
  if (gradientDepth() > 1) return definition.reference(given, attributes);
  ensureRegistered(definition);
  const attrs = absent.length > 0 ? { ...attributes, absent: absent.join(',') } : attributes;
  const outputs = runKernel(name, given as NamedTensorMap, attrs as NamedAttrMap);
  if (definition.cheap === true && recording()) keepRecipe(definition, given, attrs, outputs);
  return outputs;
}
