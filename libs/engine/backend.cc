#include "libs/engine/backend.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/engine/openvino/openvino_backend.h"

namespace trainyard::engine {

absl::Status CheckBatchIsOpen(const EngineRunner& runner) {
  Problems problems;
  for (size_t i = 0; i < runner.output_names().size(); ++i) {
    const Shape& shape = runner.output_shapes()[i];
    if (shape[0] < 0) continue;
    problems.Add(absl::StrCat("output '", runner.output_names()[i], "'"),
                 "has %d as its first dimension, whatever the batch, and batches of up to %d "
                 "images are asked for; export the model with an open batch (in PyTorch: "
                 "dynamic_axes, and no batch in a reshape)%s",
                 shape[0], runner.max_batch_size(), shape[0] == 1 ? " or build with -m 1" : "");
  }
  return problems.ToStatus();
}

std::vector<std::string> BackendNames() { return {"openvino"}; }

absl::StatusOr<const Backend*> FindBackend(absl::string_view name) {
  if (name == "openvino") return OpenvinoBackend();
  return absl::NotFoundError(absl::StrCat("there is no engine backend '", name, "'; there is ",
                                          absl::StrJoin(BackendNames(), ", "),
                                          DidYouMean(name, BackendNames())));
}

}  // namespace trainyard::engine
