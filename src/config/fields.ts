/**
 * @file Kinds of numbers and choices that fields of a config have. All have both ends: a config may be a stranger's, and its numbers
 * size memory. Fields that do so are given tighter ones where they are declared, far above what has been trained.
 */
import { z } from 'zod';

/** Above what any count means, e.g. of steps. */
const MOST = 1e9;
/** What 32 bits hold, near enough: learning rates, weights of losses. */
const MOST_REAL = 1e38;

export const fraction = z.number().min(0).max(1);
export const belowOne = z.number().min(0).lt(1);
export const positive = z.number().positive().max(MOST_REAL);
export const amount = z.number().min(0).max(MOST_REAL);
export const count = z.number().int().positive().max(MOST);
/** Channels, features, dimensions. */
export const channels = count.max(65536);
/** Layers, or blocks in a row. */
export const depth = count.max(1024);
/** Images or sequences of a batch, and parts that one is computed in. */
export const batch = count.max(65536);
export const optimizers = ['adamw', 'muon'] as const;

/** Sides of a data set: what is trained on, what is held out, what is put by. */
export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];
