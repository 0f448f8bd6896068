// What conv.cc offers to the table of kernels; it is compiled apart from the others.
#pragma once
#include "kernels.h"

namespace tessera {

void conv2d(const Args& args);
void conv2dInputGradient(const Args& args);
void conv2dWeightGradient(const Args& args);
void patchify(const Args& args);
void unpatchify(const Args& args);
void upsample2x(const Args& args);
void upsample2xGradient(const Args& args);

}  // namespace tessera
