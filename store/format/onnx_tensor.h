/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's TensorProto, and its element types (onnx.proto3 of the ONNX project). */
#pragma once
#include "store/format/layout.h"
#include "store/format/proto.h"

/* dtype_name() of TensorProto.DataType, "string", or "?" */
const char *onnx_tensor_type(uint64_t type);

/* Reads the message into ret, whose strings and shape live in the arena. The bytes of raw_data are not read;
 * values in another file are never opened: the location must be a plain path inside the version. */
int onnx_tensor_read(struct proto *p, struct arena *a, struct proto_range message, struct tensor *ret);
