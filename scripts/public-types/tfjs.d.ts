/**
 * @file What our published declarations say of tfjs: a tensor as its caller sees it, everything else opaque. tfjs's own
 * declarations do not compile beside the DOM types of today's TypeScript, so a program that checks its libraries
 * (`skipLibCheck: false`) could not import ours if they led to them. A tensor of tfjs fits these types.
 */

export type DataType = 'float32' | 'int32' | 'bool' | 'complex64' | 'string';

/** A tensor's place, shape and type. */
export interface TensorInfo {
  readonly dataId: object;
  readonly shape: number[];
  readonly dtype: DataType;
}

/** How many axes a tensor has, which is not told apart here. */
export type Rank = unknown;

/** A tensor, owned by whoever made it until `dispose`. */
export interface Tensor<Axes = Rank> extends TensorInfo {
  readonly rankType?: Axes;
  readonly id: number;
  readonly size: number;
  readonly rank: number;
  readonly isDisposed: boolean;
  data(): Promise<Float32Array | Int32Array | Uint8Array>;
  dispose(): void;
}

export type Tensor1D = Tensor;
export type Tensor2D = Tensor;
export type Tensor3D = Tensor;
export type Tensor4D = Tensor;

/** A tensor that training changes. */
export interface Variable extends Tensor {
  readonly name: string;
  readonly trainable: boolean;
}

export type NamedTensorMap = Readonly<Record<string, Tensor>>;

export declare namespace backend_util {
  export type TypedArray = Float32Array | Int32Array | Uint8Array;
  export type BackendValues = TypedArray | Uint8Array[];
}

export type DataId = object;

/** Opaque. */
export declare class WebGPUBackend {}
export declare class MathBackendCPU {}
export declare class KernelBackend {}
export type GPUDevice = object;
export type GPUBuffer = object;
export type GPUAdapter = object;
export type GPUAdapterInfo = object;
export type GPUCommandEncoder = object;
export type GPUComputePassTimestampWrites = object;
