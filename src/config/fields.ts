/** @file Kinds of numbers and choices that fields of a config have. */
import { z } from 'zod';

export const fraction = z.number().min(0).max(1);
export const belowOne = z.number().min(0).lt(1);
export const positive = z.number().positive();
export const count = z.number().int().positive();
export const optimizers = ['adamw', 'muon'] as const;

/** Sides of a data set: what is trained on, what is held out, what is put by. */
export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];
