/**
 * @file What goes wrong on a GPU, as errors that say what to do. A GPU tells of it as an event, when it likes; here it is
 * kept until somebody waits for a result, and thrown at them.
 */
import { UserError } from '../../core/errors.ts';

/** What is watched of a device. */
export interface Watched {
  addEventListener(type: 'uncapturederror', listener: (event: Event) => void): void;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
}

/** Milliseconds to wait for the news behind a call that failed. */
const PATIENCE = 1000;

export class FailureWatch {
  private readonly device: Watched;
  private readonly allocated: () => number;
  private failure: UserError | undefined;
  /** A mistake in one kernel is told once; a full or lost GPU stays so. */
  private lasting = false;
  private ranOut = false;
  private trying = false;

  /**
   * @param name of the GPU
   * @param allocated bytes in use, for messages
   */
  constructor(device: Watched, name: string, allocated: () => number) {
    this.device = device;
    this.allocated = allocated;
    device.addEventListener('uncapturederror', event => {
      event.preventDefault(); // else Dawn prints it
      this.see((event as GPUUncapturedErrorEvent).error);
    });
    void device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.set(lostDevice(name, message), true);
    });
  }

  private see(error: GPUError): void {
    if (!(error instanceof GPUOutOfMemoryError)) this.set(mistake(error.message), false);
    else if (this.trying) this.ranOut = true;
    else this.set(outOfMemory(this.allocated()), true);
  }

  /** The first failure is the cause; what comes after it follows from it. */
  private set(failure: UserError, lasting: boolean): void {
    if (this.failure !== undefined) return;
    this.failure = failure;
    this.lasting = lasting;
  }

  /** Throws what went wrong since the last look. */
  check(): void {
    const { failure } = this;
    if (failure === undefined) return;
    if (!this.lasting) this.failure = undefined;
    throw failure;
  }

  /** Throws what is behind an error that the GPU's own calls have thrown, or that error itself. */
  async explain(error: unknown): Promise<never> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise(resolve => {
      timer = setTimeout(resolve, PATIENCE);
    });
    if (this.failure === undefined) await Promise.race([this.device.lost, late]);
    clearTimeout(timer);
    this.check();
    throw error;
  }

  /**
   * Makes something that takes memory; Dawn tells at once if there is none.
   * @returns whether there was enough; if not, what was made cannot be used, and it does not count as a failure yet
   */
  tryMemory<T>(make: () => T): { readonly made: T; readonly enough: boolean } {
    this.trying = true;
    this.ranOut = false;
    try {
      const made = make();
      return { made, enough: !this.ranOut };
    } finally {
      this.trying = false;
    }
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MiB`;
}

const smaller =
  'use a smaller --batch-size, or --accumulate 2; what was saved last is whole, and the same command goes on from it';

function outOfMemory(allocated: number): UserError {
  return new UserError('webgpu', `the GPU is out of memory (${mebibytes(allocated)} were in use)`, smaller);
}

/** @param most bytes that a kernel can bind */
export function tooLarge(shape: readonly number[], { bytes, most }: { bytes: number; most: number }): UserError {
  const sizes = `${mebibytes(bytes)}, of which this GPU binds at most ${mebibytes(most)} at a time`;
  return new UserError('webgpu', `a tensor of [${shape.join(', ')}] has ${sizes}`, smaller);
}

function lostDevice(name: string, message: string): UserError {
  return new UserError(
    'webgpu',
    `lost ${name} (${message.trim().split('\n')[0] || 'the driver gives no reason'})`,
    'what was saved last is whole, and the same command goes on from it; a smaller --batch-size if it happens again',
  );
}

/** Dawn's lines: what, where it was called, where in its own source. */
function mistake(message: string): UserError {
  const lines = message
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('at '));
  return new UserError(
    'webgpu',
    lines.join(' '),
    'this is a mistake in a kernel or a driver; --backend native does without',
  );
}
