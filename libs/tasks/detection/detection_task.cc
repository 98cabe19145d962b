#include "libs/tasks/detection/detection_task.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tasks/detection/detection_writer.h"

namespace trainyard {
namespace {

class Detecting final : public Task {
 public:
  absl::string_view name() const override { return "detection"; }
  const char* predicting() const override { return "finding objects"; }

  EvaluationNames Names(const std::vector<std::string>& classes) const override {
    EvaluationNames names{.columns = {"mAP"}, .primary_title = "mean average precision"};
    for (const std::string& name : classes) names.columns.push_back(absl::StrCat("AP_", name));
    return names;
  }

  absl::StatusOr<std::unique_ptr<PredictionWriter>> MakeWriter(
      const Head& head, const model::v1::ModelRecord& record,
      PredictionOptions options) const override {
    TY_ASSIGN_OR_RETURN(const Decoder* decoder, DecoderOf(head));
    return MakeDetectionWriter(*decoder, record, std::move(options));
  }
};

}  // namespace

const Task& DetectionTask() {
  static const Detecting kTask;
  return kTask;
}

}  // namespace trainyard
