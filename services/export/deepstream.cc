#include "services/export/deepstream.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

std::string ConfigText(const model::v1::ModelRecord& record, absl::string_view model_name) {
  const model::v1::Preprocess& preprocess = record.preprocess();
  const bool gray = preprocess.order() == model::v1::Preprocess::GRAY;
  const int color_format = gray ? 2 : preprocess.order() == model::v1::Preprocess::BGR ? 1 : 0;
  const int classes = record.classes_size() + 1;
  return absl::StrCat(
      "net-scale-factor=", preprocess.scale() == 0 ? 1.0 : preprocess.scale(), "\n",
      "offsets=", absl::StrJoin(preprocess.mean(), ";"), "\n",
      "infer-dims=", gray ? 1 : 3, ";", preprocess.height(), ";", preprocess.width(), "\n",
      "tlt-model-key=<your key>\n",
      "network-type=0\n",
      "num-detected-classes=", classes, "\n",
      "model-color-format=", color_format, "\n",
      "maintain-aspect-ratio=0\n",
      "output-tensor-meta=0\n",
      "labelfile-path=labels.txt\n",
      "# The sealed model is ", model_name, "; DeepStream reads the plain ONNX file (onnx-file).\n");
}

}  // namespace

absl::Status WriteDeepStreamFiles(const std::string& folder, const model::v1::ModelRecord& record,
                                  absl::string_view model_name) {
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "nvinfer_config.txt"),
                                         ConfigText(record, model_name)));
  return WriteFileAtomically(
      JoinPath(folder, "labels.txt"),
      absl::StrCat("background\n", absl::StrJoin(record.classes(), "\n"), "\n"));
}

}  // namespace trainyard
