#include "libs/data/formats/survey.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

// Of each part on one screen; the machine's form has more.
constexpr size_t kProblemsShown = 8;

// Collects what frames tell.
class Surveyor {
 public:
  void Add(const KittiFrame& frame, DataSurvey::Part& part) {
    ++part.pictures;
    widths_.push_back(static_cast<float>(frame.size.width));
    heights_.push_back(static_cast<float>(frame.size.height));
    if (frame.labels.objects.empty()) ++survey_.pictures_without_boxes;
    std::set<std::string> here;
    for (const KittiObject& object : frame.labels.objects) {
      ++part.boxes;
      DataSurvey::Class& of = survey_.classes[object.type];
      ++of.boxes;
      if (object.difficult()) ++of.difficult;
      if (here.insert(object.type).second) ++of.pictures;
      box_widths_.push_back(object.box.width());
      box_heights_.push_back(object.box.height());
    }
  }

  void AddPart(DataSurvey::Part part) { survey_.parts.push_back(std::move(part)); }

  DataSurvey Finish() {
    survey_.picture_width = SpreadOf(widths_);
    survey_.picture_height = SpreadOf(heights_);
    survey_.box_width = SpreadOf(box_widths_);
    survey_.box_height = SpreadOf(box_heights_);
    return std::move(survey_);
  }

 private:
  DataSurvey survey_;
  std::vector<float> widths_, heights_, box_widths_, box_heights_;
};

std::string Range(const Spread& spread) {
  return spread.least == spread.most
             ? absl::StrFormat("%g", spread.least)
             : absl::StrFormat("%g to %g, median %g", spread.least, spread.most, spread.median);
}

std::string PartLine(const DataSurvey::Part& part) {
  std::string line =
      absl::StrCat(part.part.name.empty() ? "" : absl::StrCat("part ", Shown(part.part.name), ": "),
                   Counted(part.pictures, "picture"), " in ",
                   part.part.image_dir.empty() ? "." : Shown(part.part.image_dir), ", labels in ",
                   part.part.labels.empty() ? "." : Shown(part.part.labels), ": ", part.boxes,
                   part.boxes == 1 ? " box" : " boxes");
  const int64_t images = part.ledger.RefusedImages(), lines = part.ledger.RefusedLines();
  if (images + lines > 0) {
    absl::StrAppend(&line, "; left out: ", Counted(images, "picture"), ", ", lines,
                    lines == 1 ? " box" : " boxes");
  }
  return line;
}

void AddClassLines(const DataSurvey& survey, size_t most, std::vector<std::string>& lines) {
  using Entry = std::pair<std::string, DataSurvey::Class>;
  std::vector<Entry> classes(survey.classes.begin(), survey.classes.end());
  std::stable_sort(classes.begin(), classes.end(),
                   [](const Entry& a, const Entry& b) { return a.second.boxes > b.second.boxes; });
  lines.push_back(absl::StrCat(classes.size(), classes.size() == 1 ? " class" : " classes"));
  int64_t rest = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto& [name, of] = classes[i];
    if (i >= most) {
      rest += of.boxes;
      continue;
    }
    lines.push_back(absl::StrFormat(
        "  %-24s %8d %s in %d %s%s", Shown(name), of.boxes, of.boxes == 1 ? "box" : "boxes",
        of.pictures, of.pictures == 1 ? "picture" : "pictures",
        of.difficult > 0 ? absl::StrCat(", ", of.difficult, " difficult") : std::string()));
  }
  if (classes.size() > most) {
    lines.push_back(absl::StrCat("  and ", classes.size() - most, " more with ", rest, " boxes"));
  }
}

}  // namespace

Spread SpreadOf(std::vector<float>& values) {
  if (values.empty()) return {};
  const auto middle = values.begin() + static_cast<int64_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {*least, *middle, *most};
}

absl::StatusOr<DataSurvey> SurveyDataSet(
    const std::string& folder, const DataCandidate& candidate, int threads,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  Surveyor surveyor;
  for (const DataPart& part : candidate.parts) {
    DataSurvey::Part seen{.part = part};
    absl::StatusOr<Ledger> ledger = ScanDataPart(
        folder, candidate.format, part, threads,
        [&](const KittiFrame& frame) { surveyor.Add(frame, seen); }, go_on);
    if (!ledger.ok()) {
      return part.name.empty() ? ledger.status()
                               : Annotate(ledger.status(), absl::StrCat("part '", part.name, "'"));
    }
    seen.ledger = *std::move(ledger);
    surveyor.AddPart(std::move(seen));
  }
  return surveyor.Finish();
}

std::vector<std::string> ProblemsOf(const DataSurvey& survey, size_t most) {
  std::vector<std::string> problems;
  size_t more = 0;
  const auto add = [&](const std::string& line) {
    if (problems.size() + 1 < most) {
      problems.push_back(line);
    } else {
      ++more;
    }
  };
  // What was noticed comes first: of what was left out there may be thousands.
  for (const DataSurvey::Part& part : survey.parts) {
    const std::string where = part.part.name.empty() ? "" : part.part.name + ": ";
    for (const std::string& line : part.ledger.findings.Describe()) add(absl::StrCat(where, line));
  }
  for (const DataSurvey::Part& part : survey.parts) {
    for (const LedgerEntry& entry : part.ledger.entries) {
      add(absl::StrCat("left out: ", entry.place, ": ", entry.text));
    }
  }
  if (more > 0) problems.push_back(absl::StrCat("and ", more, " more that are not listed here"));
  return problems;
}

std::vector<std::string> DescribeSurvey(const std::string& shown,
                                        const RecognizedDataSet& recognized, DataFormat format,
                                        const DataSurvey& survey, size_t most) {
  std::vector<std::string> lines = {absl::StrCat(shown, ": ", NameOf(format))};
  if (const DataCandidate* candidate = recognized.Find(format)) {
    for (const std::string& reason : candidate->reasons) lines.push_back("  " + reason);
  }
  for (const std::string& text : recognized.ambiguities) lines.push_back("ambiguous: " + text);
  for (const DataSurvey::Part& part : survey.parts) lines.push_back(PartLine(part));
  if (survey.parts.empty()) return lines;
  lines.push_back(absl::StrCat("pictures: width ", Range(survey.picture_width), "; height ",
                               Range(survey.picture_height), "; ", survey.pictures_without_boxes,
                               " without a box"));
  lines.push_back(absl::StrCat("boxes: width ", Range(survey.box_width), "; height ",
                               Range(survey.box_height)));
  AddClassLines(survey, most, lines);
  const std::vector<std::string> problems = ProblemsOf(survey, kProblemsShown);
  for (const std::string& problem : problems) lines.push_back("problem: " + problem);
  return lines;
}

}  // namespace trainyard::data
