#include <algorithm>
#include <string>

#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/formats/survey.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::DataSetDescription;

constexpr size_t kMostProblems = 200;

void SetSpread(const Spread& spread, DataSetDescription::Spread* out) {
  out->set_least(spread.least);
  out->set_median(spread.median);
  out->set_most(spread.most);
}

void AddCandidates(const RecognizedDataSet& recognized, DataSetDescription& description) {
  for (const DataCandidate& candidate : recognized.candidates) {
    auto& out = *description.add_candidates();
    out.set_format(std::string(NameOf(candidate.format)));
    for (const std::string& reason : candidate.reasons) out.add_reasons(Printable(reason));
  }
}

void AddParts(const DataSurvey& survey, DataSetDescription& description) {
  for (const DataSurvey::Part& part : survey.parts) {
    auto& out = *description.add_parts();
    out.set_name(Printable(part.part.name));
    out.set_pictures_dir(Printable(part.part.image_dir));
    out.set_labels(Printable(part.part.labels));
    out.set_pictures(part.pictures);
    out.set_boxes(part.boxes);
    out.set_refused_pictures(part.ledger.RefusedImages());
    out.set_refused_boxes(part.ledger.RefusedLines());
  }
}

DataSetDescription Describe(const std::string& shown, const RecognizedDataSet& recognized,
                            DataFormat format, const DataSurvey& survey) {
  DataSetDescription description;
  description.set_folder(shown);
  description.set_format(std::string(NameOf(format)));
  AddCandidates(recognized, description);
  AddParts(survey, description);
  for (const auto& [name, of] : survey.classes) {
    auto& out = *description.add_classes();
    out.set_name(Printable(name));
    out.set_boxes(of.boxes);
    out.set_pictures(of.pictures);
    out.set_difficult(of.difficult);
  }
  SetSpread(survey.picture_width, description.mutable_picture_width());
  SetSpread(survey.picture_height, description.mutable_picture_height());
  SetSpread(survey.box_width, description.mutable_box_width());
  SetSpread(survey.box_height, description.mutable_box_height());
  description.set_pictures_without_boxes(survey.pictures_without_boxes);
  for (const std::string& text : recognized.ambiguities) {
    description.add_problems(Printable(text));
  }
  for (const std::string& text : ProblemsOf(survey, kMostProblems)) {
    description.add_problems(Printable(text));
  }
  return description;
}

}  // namespace

absl::StatusOr<Finished> InspectData(Context& context) {
  const auto& task = context.job.inspect_data();
  TY_ASSIGN_OR_RETURN(const RecognizedDataSet recognized, RecognizeDataSet(task.folder()));
  TY_ASSIGN_OR_RETURN(const DataCandidate candidate,
                      ChooseCandidate(recognized, task.format(), /*expect_clear=*/false));
  const auto go_on = [&context](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", "");
    return !context.stop.stop_requested();
  };
  TY_ASSIGN_OR_RETURN(const DataSurvey survey,
                      SurveyDataSet(task.folder(), candidate,
                                    std::max(1, context.job.threads()), go_on));
  Finished finished;
  *finished.mutable_data_set() = Describe(task.shown(), recognized, candidate.format, survey);
  for (const std::string& line :
       DescribeSurvey(task.shown(), recognized, candidate.format, survey)) {
    finished.add_notes(Printable(line));
  }
  return finished;
}

}  // namespace trainyard::stage_worker
