// Runs the network of a checkpoint up to its raw heads on given inputs, so that a test can hold the
// results against another program's (chain_test.py). Two programs are made of it, one a runtime:
//
//     run-heads-executor CHECKPOINT KEY INPUTS OUT_DIR
//
// INPUTS: float32 [n, channels, height, width] as the network takes them, without a header. Writes
// OUT_DIR/model.onnx, the network itself, and OUT_DIR/output_<i>.bin, float32, in the graph's order.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/sealing/model_store.h"
#include "tests/pipeline/run_heads.h"

namespace trainyard::testing {
namespace {

constexpr int64_t kBatch = 8;

absl::StatusOr<std::vector<std::string>> RunAll(graph::GraphRunner& runner,
                                                const model::v1::Preprocess& form,
                                                absl::string_view inputs) {
  const Shape image = {data::ChannelsOf(form), form.height(), form.width()};
  const int64_t image_bytes = int64_t{4} * image[0] * image[1] * image[2];
  std::vector<std::string> outputs(runner.output_names().size());
  while (!inputs.empty()) {
    const int64_t count = std::min(kBatch, static_cast<int64_t>(inputs.size()) / image_bytes);
    if (count == 0) return absl::InvalidArgumentError("INPUTS ends within an image");
    Tensor batch = Tensor::Zeros(DType::kFloat32, {count, image[0], image[1], image[2]});
    std::memcpy(batch.raw(), inputs.data(), static_cast<size_t>(batch.size_bytes()));
    inputs.remove_prefix(static_cast<size_t>(batch.size_bytes()));
    TY_ASSIGN_OR_RETURN(const std::vector<Tensor> results, runner.Run({batch}));
    for (size_t i = 0; i < results.size(); ++i) {
      outputs[i].append(static_cast<const char*>(results[i].raw()),
                        static_cast<size_t>(results[i].size_bytes()));
    }
  }
  return outputs;
}

absl::Status RunHeads(const std::string& checkpoint, const std::string& key,
                      const std::string& inputs, const std::string& out_dir) {
  TY_ASSIGN_OR_RETURN(const sealing::SealedModel sealed,
                      sealing::LoadModel(checkpoint, {sealing::SealedKind::kCheckpoint}, key));
  TY_RETURN_IF_ERROR(MakeFolders(out_dir));
  TY_RETURN_IF_ERROR(sealed.model.graph.Save(JoinPath(out_dir, "model.onnx")));
  TY_ASSIGN_OR_RETURN(const auto runner, MakeRunner(sealed.model.graph, kBatch));
  TY_ASSIGN_OR_RETURN(const std::string data, ReadFile(inputs));
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> outputs,
                      RunAll(*runner, sealed.model.record.preprocess(), data));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string path = JoinPath(out_dir, absl::StrCat("output_", i, ".bin"));
    TY_RETURN_IF_ERROR(WriteFileAtomically(path, outputs[i]));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trainyard::testing

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s CHECKPOINT KEY INPUTS OUT_DIR\n", argv[0]);
    return 2;
  }
  const absl::Status status = trainyard::testing::RunHeads(argv[1], argv[2], argv[3], argv[4]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
