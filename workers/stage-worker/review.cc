#include "libs/data/review/review.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/formats/data_set.h"
#include "libs/networks/registry.h"
#include "libs/report/data_review.h"
#include "libs/worker/outcome.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::ReviewDataTask;

// Sentences of one kind that are told on a terminal; the file has them all.
constexpr int kMostOfAKind = 10;

std::function<bool(int64_t, int64_t)> Reporting(Context& context, const std::string& what) {
  return [&context, what](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", what);
    return !context.stop.stop_requested();
  };
}

absl::StatusOr<data::ReviewSet> ReadSet(Context& context, const ReviewDataTask::Set& from) {
  TY_ASSIGN_OR_RETURN(const data::RecognizedDataSet recognized,
                      data::RecognizeDataSet(from.folder()));
  TY_ASSIGN_OR_RETURN(const data::DataCandidate candidate,
                      data::ChooseCandidate(recognized, from.format(), /*expect_clear=*/true));
  TY_ASSIGN_OR_RETURN(const data::DataPart part, data::FindPart(candidate, from.part()));
  data::ReviewSet set{.name = JoinPath(from.shown(), part.name)};
  const std::string images_shown = JoinPath(from.shown(), part.image_dir);
  TY_ASSIGN_OR_RETURN(set.ledger,
                      data::ScanDataPart(
                          from.folder(), candidate.format, part, std::max(1, context.job.threads()),
                          [&](const data::KittiFrame& frame) {
                            set.frames.push_back(data::ReviewFrameOf(frame, images_shown));
                          },
                          Reporting(context, absl::StrCat("reading ", set.name))));
  return set;
}

absl::StatusOr<data::ReviewSet> ReadNamedSet(Context& context, const ReviewDataTask::Set& from) {
  absl::StatusOr<data::ReviewSet> set = ReadSet(context, from);
  if (set.ok() || absl::IsCancelled(set.status())) return set;
  return Annotate(set.status(), from.shown());
}

// The boxes of the job's network; none when it names none.
absl::StatusOr<data::Priors> PriorsOf(const worker::WorkerJob& job) {
  if (job.network().empty()) return data::Priors();
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FindNetwork(job.network()));
  TY_ASSIGN_OR_RETURN(const auto network,
                      networks::CreateNetwork(job.network(), job.spec(), "the spec"));
  TY_ASSIGN_OR_RETURN(const ModelRecord record, network->Record());
  data::Priors priors{.input = {record.preprocess().width(), record.preprocess().height()}};
  TY_ASSIGN_OR_RETURN(priors.boxes, family->PriorBoxes(record));
  if (!priors.boxes.empty()) return priors;
  return absl::InvalidArgumentError(
      absl::StrCat("the spec is of network '", job.network(),
                   "', which finds objects without boxes of its own; leave the spec out"));
}

int64_t BoxesOf(const data::ReviewSet& set) {
  int64_t boxes = 0;
  for (const data::ReviewFrame& frame : set.frames)
    boxes += static_cast<int64_t>(frame.boxes.size());
  return boxes;
}

void AddSummary(const data::ReviewSet& set, Finished& finished) {
  const auto pictures = static_cast<int64_t>(set.frames.size());
  finished.add_notes(absl::StrCat(set.name, ": ", data::Counted(pictures, "picture"), ", ",
                                  data::Counted(BoxesOf(set), "object"), ", ",
                                  set.ledger.RefusedImages(), " images and ",
                                  set.ledger.RefusedLines(), " lines left out"));
}

void AddNotes(const std::vector<data::ReviewFinding>& findings, Finished& finished) {
  std::map<std::pair<data::Severity, data::ReviewKind>, int> counts;
  for (const data::ReviewFinding& finding : findings) ++counts[{finding.severity, finding.kind}];
  std::map<std::pair<data::Severity, data::ReviewKind>, int> told;
  for (const data::ReviewFinding& finding : findings) {
    const std::pair key(finding.severity, finding.kind);
    const int number = ++told[key];
    if (number <= kMostOfAKind) {
      finished.add_notes(absl::StrCat(NameOf(finding.severity), ": ", finding.text));
    } else if (number == kMostOfAKind + 1) {
      finished.add_notes(absl::StrCat(NameOf(finding.severity), ": ", counts[key] - kMostOfAKind,
                                      " more of this kind (", NameOf(finding.kind), ")"));
    }
  }
}

void AddMetrics(const std::vector<data::ReviewFinding>& findings, Finished& finished) {
  std::map<data::Severity, int> counts;
  for (const data::ReviewFinding& finding : findings) ++counts[finding.severity];
  for (const data::Severity severity :
       {data::Severity::kError, data::Severity::kWarning, data::Severity::kNote}) {
    *finished.add_metrics() =
        worker::MakeMetric(absl::StrCat(NameOf(severity), "s"), counts[severity], "findings");
  }
}

}  // namespace

absl::StatusOr<Finished> ReviewDataSet(Context& context) {
  const ReviewDataTask& task = context.job.review_data();
  data::ReviewOptions options{.threads = std::max(1, context.job.threads()),
                              .go_on = Reporting(context, "comparing pictures")};
  TY_ASSIGN_OR_RETURN(options.priors, PriorsOf(context.job));
  TY_ASSIGN_OR_RETURN(const data::ReviewSet set, ReadNamedSet(context, task.set()));
  std::optional<data::ReviewSet> against;
  if (task.has_against()) {
    TY_ASSIGN_OR_RETURN(against, ReadNamedSet(context, task.against()));
  }
  const data::ReviewSet* const other = against.has_value() ? &*against : nullptr;
  TY_ASSIGN_OR_RETURN(const std::vector<data::ReviewFinding> findings,
                      data::ReviewData(set, other, options));
  TY_RETURN_IF_ERROR(CheckStop(context));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(task.output(), report::kFindingsFile),
                                         data::ToJsonLines(findings)));
  if (task.page()) {
    TY_RETURN_IF_ERROR(report::WriteReviewPage(
        {.set = &set, .against = other, .findings = findings}, task.output()));
  }
  Finished finished;
  AddSummary(set, finished);
  if (other != nullptr) AddSummary(*other, finished);
  AddNotes(findings, finished);
  AddMetrics(findings, finished);
  return finished;
}

}  // namespace trainyard::stage_worker
