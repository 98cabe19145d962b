#include "libs/networks/ssd/deepstream.h"

#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"

namespace trainyard {
namespace {

constexpr char kConfigName[] = "nvinfer_config.txt", kLabelsName[] = "labels.txt";
// By which what we wrote is known again.
constexpr char kConfigMark[] = "# Written by trainyard export", kLabelsMark[] = "background\n";
constexpr int64_t kMaxOwnBytes = 1 << 20;

// As Python prints it, which TAO's files show: 1.0, 0.00392.
std::string NumberText(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? absl::StrFormat("%.1f", value)
                                                              : absl::StrCat(value);
}

std::string ModelLines(const std::string& folder, const std::string& onnx) {
  if (onnx.empty()) {
    return "# onnx-file= is missing: DeepStream reads plain ONNX, which an export writes with --onnx.\n";
  }
  const std::string path = std::filesystem::path(onnx).lexically_relative(folder).string();
  return absl::StrCat("onnx-file=", path.empty() ? onnx : path, "\n");
}

std::string ConfigText(const model::v1::ModelRecord& record, const std::string& folder,
                       const std::string& onnx) {
  const model::v1::Preprocess& preprocess = record.preprocess();
  const bool gray = preprocess.order() == model::v1::Preprocess::GRAY;
  const int color_format = gray ? 2 : preprocess.order() == model::v1::Preprocess::BGR ? 1 : 0;
  const int classes = record.classes_size() + 1;
  return absl::StrCat(
      "net-scale-factor=", NumberText(preprocess.scale() == 0 ? 1.0 : preprocess.scale()), "\n",
      "offsets=", absl::StrJoin(preprocess.mean(), ";"), "\n", "infer-dims=", gray ? 1 : 3, ";",
      preprocess.height(), ";", preprocess.width(), "\n", "tlt-model-key=<your key>\n",
      "network-type=0\n", "num-detected-classes=", classes, "\n", "model-color-format=",
      color_format, "\n", "maintain-aspect-ratio=0\n", "output-tensor-meta=0\n",
      "labelfile-path=labels.txt\n", ModelLines(folder, onnx), kConfigMark,
      ". Its outputs are scores [N, anchors, classes] and boxes [N, anchors, 4] before\n"
      "# non-maximum suppression, not TAO's NMS and NMS_1: a parse function of your own reads them.\n");
}

}  // namespace

std::string SsdLabels(const model::v1::ModelRecord& record) {
  return absl::StrCat(kLabelsMark, absl::StrJoin(record.classes(), "\n"), "\n");
}

std::map<std::string, std::string> SsdDeepStreamFiles(const model::v1::ModelRecord& record,
                                                      const std::string& folder,
                                                      const std::string& onnx) {
  return {{kConfigName, ConfigText(record, folder, onnx)}, {kLabelsName, SsdLabels(record)}};
}

absl::Status CheckSsdDeepStreamFolder(const std::string& folder) {
  std::vector<std::string> strange;
  for (const auto& [name, mark] :
       {std::pair(kConfigName, kConfigMark), {kLabelsName, kLabelsMark}}) {
    const std::string path = JoinPath(folder, name);
    const auto text = ReadFile(path, kMaxOwnBytes);
    if (absl::IsNotFound(text.status()) || (text.ok() && absl::StrContains(*text, mark))) continue;
    strange.push_back(absl::StrCat("'", path, "'"));
  }
  if (strange.empty()) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(absl::StrJoin(strange, " and "),
                   " would be replaced and is not of ours; name another folder, or set force"));
}

}  // namespace trainyard
