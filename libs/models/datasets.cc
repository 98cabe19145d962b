#include "libs/models/datasets.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

// Entries of the ledger that a note spells out; the file holds all.
constexpr size_t kEntriesTold = 5;

SourceOptions OptionsOf(const TrainingPlan& plan, bool strict, int threads) {
  return {.class_mapping = plan.class_mapping,
          .include_difficult = plan.include_difficult,
          .strict = strict,
          .validation_fold = plan.validation_fold,
          .threads = threads};
}

absl::StatusOr<OpenedSources> Open(absl::string_view what, absl::Span<const DataSource> sources,
                                   const SourceOptions& options,
                                   const std::vector<std::string>& classes) {
  auto opened = OpenSources(sources, options);
  if (!opened.ok()) return Annotate(opened.status(), what);
  if (opened->classes != classes) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": its classes are ", absl::StrJoin(opened->classes, ", "),
                     "; the model's are ", absl::StrJoin(classes, ", ")));
  }
  return opened;
}

}  // namespace

absl::StatusOr<OpenedSources> OpenTrainingData(const TrainingPlan& plan,
                                               const std::vector<std::string>& classes, bool strict,
                                               int threads) {
  SourceOptions options = OptionsOf(plan, strict, threads);
  options.use = ShardUse::kTraining;
  TY_ASSIGN_OR_RETURN(OpenedSources opened,
                      Open("training data", plan.data_sources, options, classes));
  TY_RETURN_IF_ERROR(Annotate(opened.mapped, "training data"));
  return opened;
}

absl::StatusOr<std::optional<OpenedSources>> OpenValidationData(
    const TrainingPlan& plan, const std::vector<std::string>& classes, bool strict, int threads) {
  std::vector<DataSource> sources = plan.validation_sources;
  if (sources.empty() && plan.validation_fold >= 0) {
    for (const DataSource& source : plan.data_sources) {
      if (!source.tfrecords.empty()) sources.push_back(source);
    }
  }
  if (sources.empty()) return std::nullopt;
  SourceOptions options = OptionsOf(plan, strict, threads);
  options.use = ShardUse::kValidation;
  options.include_difficult = true;
  return Open("validation data", sources, options, classes);
}

std::vector<std::string> DescribeSources(absl::string_view what, const OpenedSources& sources) {
  std::vector<std::string> notes;
  int64_t objects = 0;
  std::vector<std::string> counts;
  for (const auto& [name, count] : sources.class_counts) {
    objects += count;
    counts.push_back(absl::StrCat(name, " ", count));
  }
  notes.push_back(absl::StrCat(what, ": ", objects, " objects in ", sources.source->size(),
                               " images (", absl::StrJoin(counts, ", "), ")"));
  const Ledger& ledger = sources.ledger;
  if (!ledger.entries.empty()) {
    notes.push_back(absl::StrCat(what, ": left out are ", ledger.RefusedImages(), " of ",
                                 ledger.images, " images and ", ledger.RefusedLines(), " of ",
                                 ledger.lines, " label lines"));
  }
  for (const std::string& line : ledger.Describe(kEntriesTold)) {
    notes.push_back(absl::StrCat(what, ": ", line));
  }
  for (const std::string& note : sources.notes) notes.push_back(absl::StrCat(what, ": ", note));
  return notes;
}

}  // namespace trainyard
