/** @file Kinds of numbers that fields of a config have. */
import { z } from 'zod';

export const fraction = z.number().min(0).max(1);
export const belowOne = z.number().min(0).lt(1);
export const positive = z.number().positive();
export const count = z.number().int().positive();
export const optimizers = ['adamw', 'muon'] as const;
