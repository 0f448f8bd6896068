/** @file What is known of a GPU's adapter, Dawn's or a browser's, and its device with everything on it that the kernels can use. */
import { UserError } from '../../core/errors.ts';

/** A shape in which the matrix units multiply: [M, K] x [K, N] of f16 into [M, N] of f32. */
export interface MatrixShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Size of a subgroup to ask for; left out where there is only one. */
  readonly lanes?: number;
}

/** What is known of an adapter before its device is used. */
export interface AdapterSummary {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  /** Whether it is a program on the CPU, such as SwiftShader or llvmpipe. */
  readonly software: boolean;
  readonly subgroups: { readonly min: number; readonly max: number } | undefined;
  /** Shapes of f16 operands with f32 sums, best first; empty without the experimental extension. */
  readonly matrices: readonly MatrixShape[];
  readonly features: ReadonlySet<string>;
}

export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  readonly summary: AdapterSummary;
}

const OPTIONAL_FEATURES = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
  'timestamp-query',
] as const;

function isSoftware(adapter: GPUAdapter): boolean {
  const { info } = adapter;
  return (
    info.isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(`${info.device} ${info.description}`)
  );
}

/** What Dawn says of matrix units, which is not in the standard's types yet. */
interface MatrixInfo {
  readonly subgroupMatrixConfigs?: readonly {
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }[];
}

/** What an adapter says of itself. */
export function summarise(adapter: GPUAdapter): AdapterSummary {
  const { info } = adapter;
  const configs = (info as GPUAdapterInfo & MatrixInfo).subgroupMatrixConfigs ?? [];
  const features = new Set<string>(adapter.features as unknown as Iterable<string>);
  const matrices =
    features.has('chromium-experimental-subgroup-matrix') && features.has('shader-f16')
      ? configs
          .filter(config => config.componentType === 'f16' && config.resultComponentType === 'f32')
          .map(({ M, N, K }) => ({ M, N, K }))
          .sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K)
      : [];
  const { subgroupMinSize: min, subgroupMaxSize: max } = info;
  return {
    name: (info.device || info.description).replace(/-+$/, ''), // brackets become hyphens
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    software: isSoftware(adapter),
    subgroups: features.has('subgroups') && min !== undefined && max !== undefined ? { min, max } : undefined,
    matrices,
    features,
  };
}

/**
 * Opens a device with the largest buffers and all optional features that the adapter has.
 * @throws UserError if the driver refuses it
 */
export async function openAdapter(adapter: GPUAdapter): Promise<OpenedDevice> {
  const summary = summarise(adapter);
  const { limits } = adapter;
  const requiredLimits = Object.fromEntries(
    (
      [
        'maxBufferSize',
        'maxStorageBufferBindingSize',
        'maxStorageBuffersPerShaderStage',
        'maxComputeWorkgroupStorageSize',
        'maxComputeInvocationsPerWorkgroup',
        'maxComputeWorkgroupSizeX',
        'maxComputeWorkgroupsPerDimension',
      ] as const
    ).map(name => [name, limits[name]]),
  );
  const requiredFeatures = OPTIONAL_FEATURES.filter(name => summary.features.has(name)) as unknown as GPUFeatureName[];
  try {
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    return { device, info: adapter.info, summary };
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new UserError('backend webgpu', `${summary.name} did not open: ${line}`, 'update the driver of your GPU');
  }
}
