#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/convert.h"
#include "libs/data/findings.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/formats/survey.h"
#include "libs/data/formats/write_set.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::DataSetDescription;

constexpr size_t kMostProblems = 200;

void SetSpread(const data::Spread& spread, DataSetDescription::Spread* out) {
  out->set_least(spread.least);
  out->set_median(spread.median);
  out->set_most(spread.most);
}

void AddCandidates(const data::RecognizedDataSet& recognized, DataSetDescription& description) {
  for (const data::DataCandidate& candidate : recognized.candidates) {
    auto& out = *description.add_candidates();
    out.set_format(std::string(NameOf(candidate.format)));
    for (const std::string& reason : candidate.reasons) out.add_reasons(Printable(reason));
  }
}

void AddParts(const data::DataSurvey& survey, DataSetDescription& description) {
  for (const data::DataSurvey::Part& part : survey.parts) {
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

DataSetDescription Describe(const std::string& shown, const data::RecognizedDataSet& recognized,
                            data::DataFormat format, const data::DataSurvey& survey) {
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
  for (const std::string& text : data::ProblemsOf(survey, kMostProblems)) {
    description.add_problems(Printable(text));
  }
  return description;
}

}  // namespace

absl::StatusOr<Finished> InspectData(Context& context) {
  const auto& task = context.job.inspect_data();
  TY_ASSIGN_OR_RETURN(const data::RecognizedDataSet recognized,
                      data::RecognizeDataSet(task.folder()));
  TY_ASSIGN_OR_RETURN(const data::DataCandidate candidate,
                      data::ChooseCandidate(recognized, task.format(), /*expect_clear=*/false));
  const auto go_on = [&context](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", "");
    return !context.stop.stop_requested();
  };
  TY_ASSIGN_OR_RETURN(
      const data::DataSurvey survey,
      data::SurveyDataSet(task.folder(), candidate, std::max(1, context.job.threads()), go_on));
  Finished finished;
  *finished.mutable_data_set() = Describe(task.shown(), recognized, candidate.format, survey);
  for (const std::string& line :
       data::DescribeSurvey(task.shown(), recognized, candidate.format, survey)) {
    finished.add_notes(Printable(line));
  }
  return finished;
}

namespace {

constexpr size_t kMostLeftOut = 20;

void AddNotes(const data::Ledger& ledger, const std::vector<std::string>& notes,
              Finished& finished) {
  for (const std::string& note : notes) finished.add_notes(Printable(note));
  for (const std::string& line : ledger.Describe(kMostLeftOut)) finished.add_notes(Printable(line));
}

absl::StatusOr<Finished> ToRecords(Context& context, data::DataFormat format,
                                   const data::DataPart& part) {
  const auto& task = context.job.convert_data();
  const data::ConvertOptions options{.output_prefix = task.output(),
                                     .strict = task.strict(),
                                     .random_seed = task.random_seed(),
                                     .threads = std::max(1, context.job.threads())};
  TY_ASSIGN_OR_RETURN(
      const data::ConvertReport report,
      data::ConvertDataPart(task.folder(), format, part, static_cast<double>(task.val_split()),
                            task.num_shards(), options, nullptr, context.stop));
  Finished finished;
  finished.add_notes(absl::StrCat(
      data::Counted(report.ledger.images - report.ledger.RefusedImages(), "picture"), " in ",
      data::Counted(static_cast<int64_t>(report.manifest.shards.size()), "shard")));
  AddNotes(report.ledger, report.notes, finished);
  return finished;
}

absl::StatusOr<Finished> ToFolder(Context& context, data::DataFormat format,
                                  const data::DataPart& part) {
  const auto& task = context.job.convert_data();
  TY_ASSIGN_OR_RETURN(const data::DataFormat to, data::FindDataFormat(task.to()));
  const data::WriteSetOptions options{.output = task.output(),
                                      .strict = task.strict(),
                                      .threads = std::max(1, context.job.threads())};
  TY_ASSIGN_OR_RETURN(
      const data::WriteSetReport report,
      data::WriteDataPart(task.folder(), format, part, to, options, nullptr, context.stop));
  Finished finished;
  finished.add_notes(absl::StrCat(data::Counted(report.pictures, "picture"), ", ", report.boxes,
                                  report.boxes == 1 ? " box" : " boxes"));
  AddNotes(report.ledger, report.notes, finished);
  return finished;
}

}  // namespace

absl::StatusOr<Finished> ConvertData(Context& context) {
  const auto& task = context.job.convert_data();
  TY_ASSIGN_OR_RETURN(const data::RecognizedDataSet recognized,
                      data::RecognizeDataSet(task.folder()));
  TY_ASSIGN_OR_RETURN(const data::DataCandidate candidate,
                      data::ChooseCandidate(recognized, task.format(), /*expect_clear=*/true));
  if (!data::HasFrames(candidate.format)) {
    return absl::InvalidArgumentError(absl::StrCat("'", task.shown(), "' is ",
                                                   NameOf(candidate.format),
                                                   ", which has no labelled boxes to convert"));
  }
  TY_ASSIGN_OR_RETURN(const data::DataPart part, data::FindPart(candidate, task.part()));
  const bool records = task.to() == NameOf(data::DataFormat::kTfrecord);
  return records ? ToRecords(context, candidate.format, part)
                 : ToFolder(context, candidate.format, part);
}

}  // namespace trainyard::stage_worker
