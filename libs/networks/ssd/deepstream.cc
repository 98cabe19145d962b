#include "libs/networks/ssd/deepstream.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/networks/deepstream_files.h"

namespace trainyard::networks {
namespace {

// By which labels that we wrote are known again.
constexpr char kLabelsMark[] = "background\n";

}  // namespace

std::string SsdLabels(const model::v1::ModelRecord& record) {
  return absl::StrCat(kLabelsMark, absl::StrJoin(record.classes(), "\n"), "\n");
}

std::map<std::string, std::string> SsdDeepStreamFiles(const model::v1::ModelRecord& record,
                                                      const std::string& folder,
                                                      const std::string& onnx) {
  return DeepStreamFilesOf(
      record,
      {.network_type = 0,
       .classes = record.classes_size() + 1,
       .labels = SsdLabels(record),
       .note = ". Its outputs are scores [N, anchors, classes] and boxes [N, anchors, 4] before\n"
               "# non-maximum suppression, not TAO's NMS and NMS_1: a parse function of your own "
               "reads them.\n"},
      folder, onnx);
}

absl::Status CheckSsdDeepStreamFolder(const std::string& folder) {
  return CheckDeepStreamFolder(folder, kLabelsMark);
}

}  // namespace trainyard::networks
