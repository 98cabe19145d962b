#include "libs/model/model.h"

#include "absl/strings/str_format.h"

namespace trainyard {

std::vector<std::string> ClassesOf(const ModelRecord& record) {
  return {record.classes().begin(), record.classes().end()};
}

std::string InputText(const model::v1::Preprocess& preprocess) {
  return absl::StrFormat("%dx%dx%d", preprocess.width(), preprocess.height(),
                         preprocess.mean_size());
}

}  // namespace trainyard
