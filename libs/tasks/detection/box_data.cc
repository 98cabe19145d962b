#include "libs/tasks/detection/box_data.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"
#include "libs/data/tfrecord/shards.h"

namespace trainyard::tasks {

using data::DataUse;
namespace {

// Entries of the ledger that a note spells out; the file holds all.
constexpr size_t kEntriesTold = 5;

data::DataSource SourceOf(const spec::common::v1::DataSource& source) {
  // With TFRecords there are no label files; pictures lie beside records of DetectNet_v2.
  if (!source.tfrecords_path().empty()) {
    return {.image_dir = source.image_directory_path(), .tfrecords = source.tfrecords_path()};
  }
  return {.image_dir = source.image_directory_path(), .label_dir = source.label_directory_path()};
}

absl::StatusOr<data::OpenedSources> Open(absl::Span<const data::DataSource> sources,
                                         const BoxDataPlan& plan, const OpenBoxOptions& options) {
  const absl::string_view what = NameOf(options.use);
  const bool validates = options.use == DataUse::kValidation;
  auto opened =
      data::OpenSources(sources, {.class_mapping = plan.class_mapping,
                                  .include_difficult = validates || plan.include_difficult,
                                  .strict = options.strict,
                                  .use = options.use,
                                  .validation_fold = plan.validation_fold,
                                  .input = options.input,
                                  .threads = options.threads});
  if (!opened.ok()) return Annotate(opened.status(), what);
  if (opened->classes != options.classes) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": its classes are ", absl::StrJoin(opened->classes, ", "),
                     "; the model's are ", absl::StrJoin(options.classes, ", ")));
  }
  return opened;
}

// Names come from files, whose bytes may be anything; messages are UTF-8.
std::string Readable(std::string text) {
  return IsUtf8(text) ? std::move(text) : absl::CHexEscape(text);
}

int64_t Objects(const data::OpenedSources& sources) {
  int64_t objects = 0;
  for (const auto& [name, count] : sources.class_counts) objects += count;
  return objects;
}

absl::Status CheckHasObjects(const data::OpenedSources& sources) {
  if (Objects(sources) > 0) return absl::OkStatus();
  std::string text = absl::StrCat("training data: its ", sources.source->size(),
                                  " images hold no object to learn from");
  if (sources.difficult > 0) {
    absl::StrAppend(&text, ": all ", sources.difficult,
                    " are occluded, and include_difficult_in_training is false");
  }
  return absl::InvalidArgumentError(text);
}

// Said of validation data that cannot be judged by; "" when it can.
std::string AllDifficult(absl::string_view what, const data::OpenedSources& sources) {
  if (what != NameOf(DataUse::kValidation) || sources.difficult == 0 || sources.difficult < Objects(sources)) {
    return "";
  }
  return absl::StrCat(what, ": all ", sources.difficult,
                      " objects are difficult (occluded), which count neither way; no average "
                      "precision but 0 can come out");
}

// A source as the spec names it, and the files or the folder that it means, by which two are
// compared: one thing has many spellings.
struct Meant {
  std::string name;
  std::set<std::string> paths;

  bool Overlaps(const Meant& other) const {
    return std::any_of(paths.begin(), paths.end(),
                       [&](const std::string& path) { return other.paths.contains(path); });
  }
};

std::vector<Meant> MeantBy(absl::Span<const data::DataSource> sources, DataUse use, int fold) {
  std::vector<Meant> all;
  for (const data::DataSource& source : sources) {
    Meant one{.name = source.tfrecords.empty() ? source.image_dir : source.tfrecords};
    std::vector<std::string> paths = {one.name};
    if (!source.tfrecords.empty()) {
      if (auto shards = data::FindShards(source.tfrecords, use, fold); shards.ok()) paths = *shards;
    }
    for (const std::string& path : paths) one.paths.insert(CanonicalPath(path));
    all.push_back(std::move(one));
  }
  return all;
}

void WarnOfRepeats(absl::string_view field, absl::Span<const Meant> sources,
                   std::vector<std::string>& warnings) {
  for (size_t j = 1; j < sources.size(); ++j) {
    const auto first = std::find_if(sources.begin(), sources.begin() + j,
                                    [&](const Meant& one) { return one.Overlaps(sources[j]); });
    if (first == sources.begin() + j) continue;
    warnings.push_back(absl::StrCat(field, "[", j, "] ('", sources[j].name, "') names data that ",
                                    field, "[", first - sources.begin(), "] ('", first->name,
                                    "') names too: what both name counts twice"));
  }
}

std::vector<std::string> DescribeSources(absl::string_view what,
                                         const data::OpenedSources& sources) {
  std::vector<std::string> notes;
  std::vector<std::string> counts;
  for (const auto& [name, count] : sources.class_counts) {
    counts.push_back(absl::StrCat(name, " ", count));
  }
  notes.push_back(absl::StrCat(what, ": ", Objects(sources), " objects in ", sources.source->size(),
                               " images (", absl::StrJoin(counts, ", "), ")"));
  if (sources.difficult > 0) {
    const bool validates = what == NameOf(DataUse::kValidation);
    const bool neutral = sources.neutral > 0;
    notes.push_back(absl::StrCat(what, ": ", sources.difficult, " objects ",
                                 neutral ? "more " : "of these ", "are difficult (occluded): ",
                                 validates ? "a detection of one counts neither for nor against"
                                 : neutral ? "neither learnt from nor taken for background, since "
                                             "include_difficult_in_training is false"
                                           : "learnt from like the others"));
  }
  const data::Ledger& ledger = sources.ledger;
  if (!ledger.entries.empty()) {
    notes.push_back(absl::StrCat(what, ": left out are ", ledger.RefusedImages(), " of ",
                                 ledger.images, " images and ", ledger.RefusedLines(), " of ",
                                 ledger.lines, " label lines"));
  }
  for (const std::string& line : ledger.Describe(kEntriesTold)) {
    notes.push_back(absl::StrCat(what, ": ", line));
  }
  for (const std::string& note : sources.notes) notes.push_back(absl::StrCat(what, ": ", note));
  if (std::string text = AllDifficult(what, sources); !text.empty()) notes.push_back(text);
  for (std::string& note : notes) note = Readable(std::move(note));
  return notes;
}

std::vector<std::string> WarningsOf(absl::string_view what, const data::OpenedSources& sources) {
  std::vector<std::string> warnings;
  for (const std::string& text : sources.warnings) {
    warnings.push_back(Readable(absl::StrCat(what, ": ", text)));
  }
  if (std::string text = AllDifficult(what, sources); !text.empty()) warnings.push_back(text);
  return warnings;
}

std::vector<std::string> WarningsOf(const BoxDataPlan& plan) {
  std::vector<std::string> warnings;
  if (plan.validation_sources.empty() && plan.validation_fold < 0) {
    warnings.push_back(
        "the spec names no validation data (validation_data_sources or validation_fold): no epoch "
        "is "
        "judged, there is no mAP, and 'best' is the last epoch");
  }
  const std::vector<Meant> trained =
      MeantBy(plan.data_sources, DataUse::kTraining, plan.validation_fold);
  const std::vector<Meant> judged =
      MeantBy(plan.validation_sources, DataUse::kValidation, plan.validation_fold);
  WarnOfRepeats("data_sources", trained, warnings);
  WarnOfRepeats("validation_data_sources", judged, warnings);
  for (const Meant& one : judged) {
    const bool is_trained_on = std::any_of(trained.begin(), trained.end(),
                                           [&](const Meant& other) { return one.Overlaps(other); });
    if (!is_trained_on) continue;
    warnings.push_back(absl::StrCat(
        "validation_data_sources names what is trained on too ('", one.name,
        "'): the mAP says how well that was learnt, not how well other pictures are judged"));
  }
  return warnings;
}

std::vector<data::DataSource> SourcesFor(const BoxDataPlan& plan, DataUse use) {
  if (use == DataUse::kTraining) return plan.data_sources;
  std::vector<data::DataSource> sources = plan.validation_sources;
  if (!sources.empty() || plan.validation_fold < 0) return sources;
  for (const data::DataSource& source : plan.data_sources) {
    if (!source.tfrecords.empty()) sources.push_back(source);
  }
  return sources;
}

}  // namespace

absl::StatusOr<std::optional<data::OpenedData>> OpenBoxData(const BoxDataPlan& plan,
                                                            const OpenBoxOptions& options) {
  const std::vector<data::DataSource> sources = SourcesFor(plan, options.use);
  const bool trains = options.use == DataUse::kTraining;
  if (sources.empty() && !trains) return std::nullopt;
  TY_ASSIGN_OR_RETURN(data::OpenedSources opened, Open(sources, plan, options));
  if (trains) {
    TY_RETURN_IF_ERROR(Annotate(opened.mapped, NameOf(DataUse::kTraining)));
    TY_RETURN_IF_ERROR(CheckHasObjects(opened));
  }
  data::OpenedData data;
  data.notes = DescribeSources(NameOf(options.use), opened);
  data.warnings = WarningsOf(NameOf(options.use), opened);
  if (trains) {
    for (std::string& warning : WarningsOf(plan)) {
      data.notes.push_back(warning);
      data.warnings.push_back(std::move(warning));
    }
  }
  data.source = std::move(opened.source);
  data.ledger = std::move(opened.ledger);
  return data;
}

BoxDataPlan PlanOf(const spec::common::v1::DatasetConfig& data) {
  BoxDataPlan plan;
  // Sorted, so that the plan does not depend on the map's order in memory.
  std::set<std::pair<std::string, std::string>> mapping;
  for (const auto& [label, target] : data.target_class_mapping()) {
    mapping.emplace(absl::AsciiStrToLower(label), absl::AsciiStrToLower(target));
  }
  plan.class_mapping.assign(mapping.begin(), mapping.end());
  for (const auto& source : data.data_sources()) plan.data_sources.push_back(SourceOf(source));
  for (const auto& source : data.validation_data_sources()) {
    plan.validation_sources.push_back(SourceOf(source));
  }
  if (data.has_validation_fold()) plan.validation_fold = static_cast<int>(data.validation_fold());
  plan.include_difficult = data.include_difficult_in_training();
  return plan;
}

std::vector<std::string> ClassesOf(const spec::common::v1::DatasetConfig& data) {
  std::set<std::string> names;
  for (const auto& [label, target] : data.target_class_mapping()) {
    names.insert(absl::AsciiStrToLower(target));
  }
  return {names.begin(), names.end()};
}

}  // namespace trainyard::tasks
