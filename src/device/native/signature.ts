/** @file Written by scripts/native-calls.ts: which declarations native/calls.h was written from. */

export const callsSignature = 'eb8727abb3d3bb5d';
