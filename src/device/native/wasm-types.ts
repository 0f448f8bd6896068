/** @file What we use of WebAssembly and of a page's workers, which the compiler knows in browsers alone. */

/** Compiled code; it can be posted to a worker. */
export interface WasmModule {
  readonly [Symbol.toStringTag]?: string;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WasmGlobal {
  value: number;
}

interface WasmInstance {
  readonly exports: object;
}

interface WasmApi {
  readonly Module: new (bytes: ArrayBufferView | ArrayBuffer) => WasmModule;
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => WasmMemory;
  compile(bytes: ArrayBufferView | ArrayBuffer): Promise<WasmModule>;
  instantiate(
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ): Promise<WasmInstance>;
}

interface PageWorker {
  onmessage: (() => void) | null;
  postMessage(message: object): void;
}

/** The engine's own. */
export const wasm = (globalThis as unknown as { readonly WebAssembly: WasmApi }).WebAssembly;

/** What a page, or a worker of it, has; Node has less of it. */
export const page = globalThis as unknown as {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly Worker?: new (url: string) => PageWorker;
};
