#include "libs/networks/deepstream_files.h"

#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"

namespace trainyard::networks {
namespace {

using model::v1::Preprocess;

constexpr char kConfigName[] = "nvinfer_config.txt", kLabelsName[] = "labels.txt";
// By which what we wrote is known again.
constexpr char kConfigMark[] = "# Written by trainyard export";
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

// nvinfer has one factor for all channels: that of their mean deviation.
double ScaleFactor(const Preprocess& preprocess) {
  const double scale = preprocess.scale() == 0 ? 1.0 : preprocess.scale();
  if (preprocess.std().empty()) return scale;
  const auto& std = preprocess.std();
  return scale * std.size() / std::accumulate(std.begin(), std.end(), 0.0);
}

std::string ConfigText(const model::v1::ModelRecord& record, const DeepStreamText& text,
                       const std::string& folder, const std::string& onnx) {
  const Preprocess& preprocess = record.preprocess();
  const bool gray = preprocess.order() == Preprocess::GRAY;
  const int color_format = gray ? 2 : preprocess.order() == Preprocess::BGR ? 1 : 0;
  return absl::StrCat(
      "net-scale-factor=", NumberText(ScaleFactor(preprocess)), "\n",
      "offsets=", absl::StrJoin(preprocess.mean(), ";"), "\n", "infer-dims=", gray ? 1 : 3, ";",
      preprocess.height(), ";", preprocess.width(), "\n", "tlt-model-key=<your key>\n",
      "network-type=", text.network_type, "\n", "num-detected-classes=", text.classes, "\n",
      "model-color-format=", color_format, "\n", text.more, "maintain-aspect-ratio=0\n",
      "output-tensor-meta=0\n", "labelfile-path=labels.txt\n", ModelLines(folder, onnx), kConfigMark,
      text.note);
}

bool IsOurs(const std::string& path, absl::string_view mark) {
  const auto text = ReadFile(path, kMaxOwnBytes);
  return absl::IsNotFound(text.status()) || (text.ok() && absl::StrContains(*text, mark));
}

}  // namespace

std::map<std::string, std::string> DeepStreamFilesOf(const model::v1::ModelRecord& record,
                                                     const DeepStreamText& text,
                                                     const std::string& folder,
                                                     const std::string& onnx) {
  return {{kConfigName, ConfigText(record, text, folder, onnx)}, {kLabelsName, text.labels}};
}

absl::Status CheckDeepStreamFolder(const std::string& folder, const std::string& labels_mark) {
  const std::string config = JoinPath(folder, kConfigName), labels = JoinPath(folder, kLabelsName);
  std::vector<std::string> strange;
  if (!IsOurs(config, kConfigMark)) strange.push_back(absl::StrCat("'", config, "'"));
  const bool own_labels = labels_mark.empty()
                              ? !FileExists(labels) || (FileExists(config) && strange.empty())
                              : IsOurs(labels, labels_mark);
  if (!own_labels) strange.push_back(absl::StrCat("'", labels, "'"));
  if (strange.empty()) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(absl::StrJoin(strange, " and "),
                   " would be replaced and is not of ours; name another folder, or set force"));
}

}  // namespace trainyard::networks
