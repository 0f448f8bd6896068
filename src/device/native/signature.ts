/** @file Written by scripts/native-calls.ts: which declarations native/calls.h was written from. */

export const callsSignature = 'a518cbeb61486564';
