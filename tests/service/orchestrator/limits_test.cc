// What a pipeline may ask of the orchestrator: each limit is named with its place, before memory is
// taken.
#include "services/orchestrator/limits.h"

#include <sys/resource.h>

#include <functional>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/base/problems.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/stage_input.h"
#include "services/orchestrator/yaml_document.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

absl::StatusOr<Pipeline> Parse(const std::string& text,
                               std::map<std::string, std::string> parameters = {}) {
  return ParsePipeline({.text = text, .name = "p.yaml", .parameters = std::move(parameters)});
}

std::string Repeated(absl::string_view text, size_t times) {
  std::string repeated;
  for (size_t i = 0; i < times; ++i) absl::StrAppend(&repeated, text);
  return repeated;
}

// Refuses to take more than `bytes` of address space beyond what the process has while it lives.
class MemoryLimit {
 public:
  explicit MemoryLimit(rlim_t bytes) {
    getrlimit(RLIMIT_DATA, &before_);
    rlimit limited = before_;
    limited.rlim_cur = bytes;
    setrlimit(RLIMIT_DATA, &limited);
  }
  ~MemoryLimit() { setrlimit(RLIMIT_DATA, &before_); }

 private:
  rlimit before_;
};

TEST(PipelineLimitsTest, ATextOfMoreThanAMegabyteIsRefused) {
  const std::string text = "stages: [] #" + std::string(kMaxPipelineBytes, 'x');
  EXPECT_THAT(Parse(text), StatusIs(kInvalid, AllOf(HasSubstr("p.yaml"), HasSubstr("1048576"))));
}

TEST(PipelineLimitsTest, ReferencesCannotMultiplyAText) {
  // 10,000 times 100 KB would be a gigabyte.
  const std::string text =
      absl::StrCat("params: {a: ", std::string(100000, 'x'),
                   "}\nstages:\n  - name: t\n    kind: train\n    spec: \"", Repeated("${param.a}", 10000),
                   ": \"\n");
#ifndef __SANITIZE_ADDRESS__
  const MemoryLimit limit(rlim_t{512} << 20);
#endif
  EXPECT_THAT(Parse(text),
              StatusIs(kInvalid, AllOf(HasSubstr("p.yaml:t.spec"), HasSubstr("4194304 bytes"))));
}

TEST(PipelineLimitsTest, TheTextsOfAllStagesShareTheRoom) {
  std::string text = absl::StrCat("params: {a: ", std::string(100000, 'x'), "}\nstages:\n");
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&text, "  - {name: s", i, ", kind: prune, inputs: {model: \"${param.a}\"}}\n");
  }
  const auto parsed = Parse(text);
  EXPECT_THAT(parsed, StatusIs(kInvalid, HasSubstr("4194304 bytes")));
  // Said once, at the stage where the room ended, not for each that follows.
  EXPECT_THAT(ProblemsFrom(parsed.status()), SizeIs(1));
  EXPECT_THAT(ProblemsFrom(parsed.status())[0].place, HasSubstr("p.yaml:44:"));
}

TEST(PipelineLimitsTest, ReferencesToTheRunCannotMultiplyATextEither) {
  const auto pipeline = Parse(absl::StrCat("results: ", std::string(4000, 'x'),
                                           "\nstages:\n  - name: t\n    kind: train\n    spec: \"",
                                           Repeated("${results}", 50000), ": \"\n"));
  ASSERT_THAT(pipeline, IsOk());
  TextRoom room;
  EXPECT_THAT(BuildDraftInput(*pipeline, pipeline->stages[0], room),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("spec"), HasSubstr("4194304 bytes"))));
}

TEST(PipelineLimitsTest, SpecFilesShareTheRoom) {
  int reads = 0;
  std::string text = "stages:\n";
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&text, "  - {name: s", i, ", kind: train, spec: f.txt}\n");
  }
  const auto parsed = ParsePipeline({.text = text,
                                     .name = "p.yaml",
                                     .read_spec = [&](const std::string&) {
                                       ++reads;
                                       return std::string(1 << 20, 'x');
                                     }});
  EXPECT_THAT(parsed, StatusIs(kInvalid, HasSubstr("4194304 bytes")));
  EXPECT_LE(reads, 5);
}

TEST(PipelineLimitsTest, NodesAreCountedBeforeATreeIsBuilt) {
  const std::string text = absl::StrCat("stages: [", Repeated("a,", kMaxYamlNodes + 10), "]");
  EXPECT_THAT(LoadYaml(text, "p.yaml"),
              StatusIs(kInvalid, AllOf(HasSubstr("p.yaml:1:"), HasSubstr("100000 values"))));
}

TEST(PipelineLimitsTest, DepthIsBounded) {
  const auto nested = [](size_t depth) { return Repeated("[", depth) + Repeated("]", depth); };
  EXPECT_THAT(LoadYaml(nested(kMaxYamlDepth), "p.yaml"), IsOk());
  EXPECT_THAT(LoadYaml(nested(kMaxYamlDepth + 1), "p.yaml"),
              StatusIs(kInvalid, AllOf(HasSubstr("p.yaml:1:65"), HasSubstr("64 lists"))));
  for (const char* opening : {"[", "{a: ", "- ", "? ", "a:\n "}) {
    EXPECT_THAT(LoadYaml(Repeated(opening, 200000), "p.yaml"), StatusIs(kInvalid, HasSubstr("p.yaml")))
        << opening;
  }
}

TEST(PipelineLimitsTest, AnAliasCountsEachTimeThatItIsRead) {
  std::string text = absl::StrCat("params:\n  p: 1\npath_map: &m {");
  for (int i = 0; i < 2000; ++i) absl::StrAppend(&text, "k", i, ": v, ");
  absl::StrAppend(&text, "}\nstages:\n");
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&text, "  - {name: s", i, ", kind: prune, inputs: *m}\n");
  }
  const auto parsed = Parse(text);
  EXPECT_THAT(parsed, StatusIs(kInvalid, HasSubstr("problems")));
  // The first thousand and how many there are more; the last one is the limit's.
  EXPECT_THAT(ProblemsFrom(parsed.status()), SizeIs(kMaxProblems + 1));
}

TEST(PipelineLimitsTest, EachListHasItsLimit) {
  std::string params = "params: {", stages = "stages: [", addresses = "services: {train: [";
  for (size_t i = 0; i <= kMaxParameters; ++i) absl::StrAppend(&params, "p", i, ": 1, ");
  for (size_t i = 0; i <= kMaxStages; ++i) absl::StrAppend(&stages, "{name: s", i, ", kind: prune},");
  for (size_t i = 0; i <= kMaxAddresses; ++i) absl::StrAppend(&addresses, "\"h:", i, "\", ");
  EXPECT_THAT(Parse(params + "}\nstages: [{name: a, kind: train}]"),
              StatusIs(kInvalid, HasSubstr("params has 1001 entries; at most 1000 are taken")));
  EXPECT_THAT(Parse(stages + "]"),
              StatusIs(kInvalid, HasSubstr("stages has 257 entries; at most 256 are taken")));
  EXPECT_THAT(Parse(addresses + "]}\nstages: [{name: a, kind: train}]"),
              StatusIs(kInvalid, HasSubstr("services.train has more than 64 addresses")));
}

TEST(PipelineLimitsTest, LongNamesAreNotRepeatedInEveryProblem) {
  // Unknown keys of a stage whose name is half a megabyte.
  std::string text = absl::StrCat("stages:\n  - name: ", std::string(500000, 'n'), "\n    kind: prune\n");
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, "    k", i, ": 1\n");
  const auto parsed = Parse(text);
  ASSERT_EQ(parsed.status().code(), kInvalid);
  EXPECT_EQ(ProblemsFrom(parsed.status())[0].field, "stages[0].k0");
  EXPECT_LT(parsed.status().message().size(), size_t{1} << 20);
  EXPECT_THAT(ParsePipeline({.text = "stages: []", .name = std::string(5000, 'x')}),
              StatusIs(kInvalid, HasSubstr("pipeline_name has 5000 bytes; at most 4096")));
}

TEST(PipelineLimitsTest, ManyUnknownNamesCostNoTime) {
  std::string text = "params: {";
  for (size_t i = 0; i < kMaxParameters; ++i) absl::StrAppend(&text, "parameter_number_", i, ": 1, ");
  absl::StrAppend(&text, "}\nstages:\n  - name: t\n    kind: train\n    spec: \"",
                  Repeated("${param.parameter_numbed_1}", 30000), ": \"\n");
  const auto parsed = Parse(text);
  ASSERT_THAT(parsed, StatusIs(kInvalid, HasSubstr("did you mean 'parameter_number_1'?")));
  const auto problems = ProblemsFrom(parsed.status());
  EXPECT_THAT(problems.back().description, HasSubstr("more problems"));
  EXPECT_FALSE(absl::StrContains(problems[kMaxHints + 1].description, "did you mean"));
}

}  // namespace
}  // namespace trainyard::orchestrator
