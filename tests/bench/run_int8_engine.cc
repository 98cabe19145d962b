// Builds the INT8 engine of an export that holds a calibration table, and runs it on given inputs,
// so that a benchmark can hold the answers against another runtime's on the same Q/DQ graph:
//
//     run-int8-engine EXPORT KEY INPUTS OUT_DIR THREADS
//
// INPUTS: float32 [n, channels, height, width] as the network takes them, without a header. Writes
// OUT_DIR/int8.onnx, the Q/DQ graph, and OUT_DIR/int8_<i>.bin, float32, in the graph's order.

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/engine/engine.h"
#include "libs/quantization/calibration_table.h"
#include "libs/sealing/model_store.h"

namespace trainyard {
namespace {

absl::StatusOr<Tensor> ReadInputs(const std::string& path, const model::v1::Preprocess& form) {
  TY_ASSIGN_OR_RETURN(const std::string data, ReadFile(path));
  const int64_t image_bytes = int64_t{4} * data::ChannelsOf(form) * form.height() * form.width();
  const int64_t count = static_cast<int64_t>(data.size()) / image_bytes;
  if (count < 1 || count * image_bytes != static_cast<int64_t>(data.size())) {
    return absl::InvalidArgumentError("INPUTS ends within an image");
  }
  TY_ASSIGN_OR_RETURN(Tensor inputs,
                      Tensor::Create(DType::kFloat32,
                                     {count, data::ChannelsOf(form), form.height(), form.width()}));
  std::memcpy(inputs.raw(), data.data(), data.size());
  return inputs;
}

absl::Status Run(const std::string& path, const std::string& key, const std::string& inputs_path,
                 const std::string& out_dir, int threads) {
  TY_ASSIGN_OR_RETURN(const sealing::SealedModel sealed,
                      sealing::LoadModel(path, {sealing::SealedKind::kExport}, key));
  const auto section = sealed.extra.find("calibration");
  if (section == sealed.extra.end()) {
    return absl::FailedPreconditionError("EXPORT holds no calibration table");
  }
  TY_ASSIGN_OR_RETURN(const Tensor inputs,
                      ReadInputs(inputs_path, sealed.model.record.preprocess()));
  engine::EngineOptions options{
      .precision = "int8", .max_batch_size = static_cast<int>(inputs.dim(0)), .threads = threads};
  TY_ASSIGN_OR_RETURN(options.calibration,
                      quantization::ParseCalibrationTable(section->second, path));
  TY_ASSIGN_OR_RETURN(engine::BuiltEngine built, engine::BuildEngine(sealed.model, options));
  if (!built.quantized.has_value()) return absl::UnavailableError("no INT8 on this processor");
  TY_RETURN_IF_ERROR(MakeFolders(out_dir));
  TY_RETURN_IF_ERROR(built.quantized->graph.Save(JoinPath(out_dir, "int8.onnx")));
  TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, built.runner->Run({inputs}));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const absl::string_view bytes(static_cast<const char*>(outputs[i].raw()),
                                  static_cast<size_t>(outputs[i].size_bytes()));
    TY_RETURN_IF_ERROR(
        WriteFileAtomically(JoinPath(out_dir, absl::StrCat("int8_", i, ".bin")), bytes));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trainyard

int main(int argc, char** argv) {
  int threads = 0;
  if (argc != 6 || !absl::SimpleAtoi(argv[5], &threads) || threads < 1) {
    std::fprintf(stderr, "usage: %s EXPORT KEY INPUTS OUT_DIR THREADS\n", argv[0]);
    return 2;
  }
  const absl::Status status = trainyard::Run(argv[1], argv[2], argv[3], argv[4], threads);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
