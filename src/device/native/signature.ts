/** @file Written by scripts/native-calls.ts: which declarations native/calls.h was written from. */

export const callsSignature = 'e63767874ca996b3';
