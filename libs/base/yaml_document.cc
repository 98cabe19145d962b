#include "libs/base/yaml_document.h"

#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "yaml-cpp/eventhandler.h"

namespace trainyard {
namespace {

// Thrown through the parser, which has no other way to be stopped.
struct PastLimit {
  YAML::Mark mark;
  std::string description;
};

// Hears of each node before the parser that builds the tree does.
class NodeCounter : public YAML::EventHandler {
 public:
  explicit NodeCounter(const YamlLimits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override { document_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Count(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Count(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    Count(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Enter(mark);
  }
  void OnMapEnd() override { --depth_; }

  /// Where the document begins that was heard of last.
  const YAML::Mark& document() const { return document_; }

 private:
  void Count(const YAML::Mark& mark) {
    if (++nodes_ <= limits_.max_nodes) return;
    throw PastLimit{mark, absl::StrCat("has more than ", limits_.max_nodes,
                                       " values, lists and mappings, the most that are taken")};
  }
  void Enter(const YAML::Mark& mark) {
    Count(mark);
    if (++depth_ <= limits_.max_depth) return;
    throw PastLimit{mark, absl::StrCat("has more than ", limits_.max_depth,
                                       " lists and mappings inside each other, the most that are "
                                       "taken")};
  }

  const YamlLimits& limits_;
  size_t nodes_ = 0;
  int depth_ = 0;
  YAML::Mark document_;
};

absl::Status ProblemAt(absl::string_view file, const YAML::Mark& mark, std::string description) {
  Problems problems;
  problems.AddProblem(
      {.description = std::move(description),
       .place = absl::StrCat(file, ":", mark.line + 1, ":", mark.column + 1)});
  return problems.ToStatus();
}

}  // namespace

absl::StatusOr<YAML::Node> LoadYaml(absl::string_view text, absl::string_view file,
                                    const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(file, " has ", text.size(),
                                                     " bytes; at most ", limits.max_bytes,
                                                     " are taken"));
  }
  try {
    std::istringstream stream{std::string(text)};
    NodeCounter counter(limits);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(counter);
    // Only the first is read.
    if (parser.HandleNextDocument(counter)) {
      return ProblemAt(file, counter.document(),
                       absl::StrCat("is a second document (behind '---'); a file has one ", limits.holds));
    }
    return YAML::Load(std::string(text));
  } catch (const PastLimit& past) {
    return ProblemAt(file, past.mark, past.description);
  } catch (const YAML::Exception& error) {
    return ProblemAt(file, error.mark, absl::StrCat("is not YAML: ", error.msg));
  }
}

}  // namespace trainyard
