/** @file Written by scripts/native-calls.ts: which declarations native/calls.h was written from. */

export const callsSignature = '1c3b90d97cfa3e8c';
