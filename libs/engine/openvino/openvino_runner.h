#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/engine/backend.h"
#include "openvino/runtime/compiled_model.hpp"

namespace trainyard::engine {

/// Wraps a compiled model whose inputs and outputs are those of `options`, in that order (a tensor
/// may have more names than the one in the graph). kInvalidArgument when they are not, and for any
/// that is not f32 with the batch first. Exceptions of OpenVINO become kInternal.
absl::StatusOr<std::unique_ptr<EngineRunner>> MakeOpenvinoRunner(ov::CompiledModel compiled,
                                                                 const LoadOptions& options);

}  // namespace trainyard::engine
