#include "services/orchestrator/pipeline.h"

#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"
#include "trainyard/v1/prune.pb.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

// A pipeline with two stages; the second reads what the first makes.
constexpr char kTwoStages[] = R"(
name: small
params:
  data: data/sample
  epochs: 3
services:
  train: [127.0.0.1:1, 127.0.0.1:2]
key: env:KEY
results: out
stages:
  - name: train
    kind: train
    spec: |
      dataset_config { data_sources { image_directory_path: "${param.data}/images" } }
    overrides: training_config.num_epochs = ${param.epochs}
    options: {deterministic: true, initial_epoch: 2}
  - name: prune
    kind: prune
    inputs:
      model: ${stage.train.outputs.best}
    options:
      threshold: 0.5
      excluded_layers: [conv1, bn1]
    gates:
      min: {mAP: 0.8, "AP[nut]": 0.5}
      max: {loss: 2}
      max_drop: {mAP: 0.02, from: train}
      on_fail: continue
)";

absl::StatusOr<Pipeline> Parse(const std::string& text,
                               std::map<std::string, std::string> parameters = {}) {
  return ParsePipeline({.text = text, .name = "p.yaml", .parameters = std::move(parameters)});
}

TEST(ParsePipelineTest, ASecondDocumentIsNotLeftOutWithoutAWord) {
  EXPECT_THAT(Parse(absl::StrCat("---", kTwoStages)), IsOk());
  EXPECT_THAT(Parse(absl::StrCat(kTwoStages, "---\nname: other\n")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("p.yaml:"), HasSubstr("a second document"))));
}

TEST(ParsePipelineTest, ResultsHaveNoReferencesThatHaveNoValueYet) {
  for (const char* results : {"${run}", "${results}/x", "${stage.a.outputs.model}", "${run"}) {
    EXPECT_THAT(Parse(absl::StrCat("results: \"", results, "\"\nstages:\n"
                                   "  - {name: a, kind: prune, inputs: {model: m.tlt}}\n")),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("results is")))
        << results;
  }
}

TEST(ParsePipelineTest, NoTwoStagesWriteToOnePlace) {
  const auto two = [](const char* second) {
    return Parse(absl::StrCat(R"(
stages:
  - {name: a, kind: prune, inputs: {model: m.tlt}, outputs: {model: out.tlt}}
  - {name: b, kind: prune, inputs: {model: m.tlt}, outputs: {model: )", second, "}}\n"));
  };
  EXPECT_THAT(two("other.tlt"), IsOk());
  EXPECT_THAT(two("out.tlt"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("b.outputs.model is 'out.tlt', where stage 'a' writes")));
}

TEST(ParsePipelineTest, ASecondTryNeedsAPlaceOfItsOwn) {
  const auto gated = [](const char* outputs) {
    return Parse(absl::StrCat(R"(
stages:
  - name: a
    kind: train
    spec: "x: 1"
    gates: {min: {mAP: 1}, on_fail: retry, retry: [x = 2]}
)", outputs));
  };
  EXPECT_THAT(gated(""), IsOk());
  EXPECT_THAT(gated("    outputs: {results: out}\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.gates.retry is given with")));
}

TEST(ParsePipelineTest, OverridesNeedASpec) {
  const char* stage = R"(
stages:
  - {name: a, kind: prune, inputs: {model: m.tlt}, overrides: [x = 1]}
  - {name: b, kind: prune, inputs: {model: m.tlt}, gates: {min: {m: 1}, on_fail: retry, retry: [x = 1]}}
)";
  EXPECT_THAT(Parse(stage), StatusIs(absl::StatusCode::kInvalidArgument,
                                     AllOf(HasSubstr("a.overrides is given, and there is no spec"),
                                           HasSubstr("b.gates.retry is given, and there is no spec"))));
}

TEST(ParsePipelineTest, ReadsEveryPartOfAPipeline) {
  const auto pipeline = Parse(kTwoStages);
  ASSERT_THAT(pipeline, IsOk());
  EXPECT_EQ(pipeline->name, "small");
  EXPECT_EQ(pipeline->key, "env:KEY");
  EXPECT_EQ(pipeline->results, "out");
  EXPECT_THAT(pipeline->services.at("train"), ElementsAre("127.0.0.1:1", "127.0.0.1:2"));
  ASSERT_EQ(pipeline->stages.size(), 2u);
  const StageSpec& train = pipeline->stages[0];
  EXPECT_THAT(train.spec_text, HasSubstr("\"data/sample/images\""));
  EXPECT_THAT(train.overrides, ElementsAre("training_config.num_epochs = 3"));
  const auto& options = static_cast<const v1::TrainOptions&>(*train.options);
  EXPECT_TRUE(options.deterministic());
  EXPECT_EQ(options.initial_epoch(), 2);
  EXPECT_THAT(train.needs, IsEmpty());
}

TEST(ParsePipelineTest, AStageThatNamesNoNetworkIsOfTheDefaultOne) {
  const auto pipeline = Parse(absl::StrCat(kTwoStages, R"(
  - {name: again, kind: prune, network: other, inputs: {model: m.tlt}}
)"));
  ASSERT_THAT(pipeline, IsOk());
  EXPECT_EQ(pipeline->stages[0].network, "ssd");
  EXPECT_EQ(pipeline->stages[2].network, "other");
}

TEST(ParsePipelineTest, MapsOptionsOntoTheKindsMessage) {
  const auto pipeline = Parse(kTwoStages);
  ASSERT_THAT(pipeline, IsOk());
  const StageSpec& prune = pipeline->stages[1];
  const auto& options = static_cast<const v1::PruneOptions&>(*prune.options);
  EXPECT_EQ(options.threshold(), 0.5);
  EXPECT_FALSE(options.has_granularity());
  EXPECT_THAT(options.excluded_layers(), ElementsAre("conv1", "bn1"));
  EXPECT_THAT(prune.inputs, ElementsAre(Pair("model", "${stage.train.outputs.best}")));
  EXPECT_THAT(prune.needs, ElementsAre(0));
}

TEST(ParsePipelineTest, ReadsGates) {
  const auto pipeline = Parse(kTwoStages);
  ASSERT_THAT(pipeline, IsOk());
  const Gates& gates = pipeline->stages[1].gates;
  ASSERT_EQ(gates.minimums.size(), 2u);
  EXPECT_EQ(gates.minimums[1].metric, (MetricName{"AP", "nut"}));
  EXPECT_EQ(gates.minimums[1].value, 0.5);
  ASSERT_EQ(gates.maximums.size(), 1u);
  EXPECT_EQ(gates.maximums[0].metric, (MetricName{"loss", ""}));
  EXPECT_EQ(gates.maximums[0].value, 2);
  ASSERT_EQ(gates.max_drops.size(), 1u);
  EXPECT_EQ(gates.max_drops[0].from, "train");
  EXPECT_EQ(gates.on_fail, Gates::OnFail::kContinue);
}

TEST(ParsePipelineTest, GivenParametersReplaceDefaults) {
  const auto pipeline = Parse(kTwoStages, {{"data", "mine"}, {"epochs", "7"}});
  ASSERT_THAT(pipeline, IsOk());
  EXPECT_THAT(pipeline->stages[0].spec_text, HasSubstr("\"mine/images\""));
  EXPECT_THAT(pipeline->stages[0].overrides, ElementsAre("training_config.num_epochs = 7"));
}

TEST(ParsePipelineTest, NamesEveryProblemWithItsPlaceAndTheNearestName) {
  const auto pipeline = Parse(R"(
name: 9lives
servces: {}
stages:
  - name: train
    kind: trian
  - name: prune
    kind: prune
    inputs: {modl: x}
    options: {threshhold: 0.5, granularity: many}
    retries: -1
  - name: prune
    kind: prune
    inputs: {model: "${stage.trainn.outputs.best}"}
  - name: export
    kind: export
    spec: "a: 1"
    inputs: {model: "${stage.prune.outputs.modle}"}
    outputs: {onx: x}
)");
  EXPECT_THAT(
      pipeline,
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("p.yaml:2:7: name is '9lives'"),
                     HasSubstr("p.yaml:3:1: servces is no known key; did you mean 'services'?"),
                     HasSubstr("p.yaml:6:11: train.kind is 'trian'"),
                     HasSubstr("did you mean 'train'?"),
                     HasSubstr("prune.inputs.modl is no input of prune, which has model; did you "
                               "mean 'model'?"),
                     HasSubstr("prune.inputs.model is missing"),
                     HasSubstr("p.yaml:10:15: prune.options.threshhold is no known key; did you "
                               "mean 'threshold'?"))));
  EXPECT_THAT(
      std::string(pipeline.status().message()),
      AllOf(HasSubstr("prune.options.granularity is 'many'; expected a whole number"),
            HasSubstr("prune.retries is '-1'"),
            HasSubstr("is the name of an earlier stage too"),
            HasSubstr("refers to stage 'trainn', which is not in the pipeline; did you mean "
                      "'train'?"),
            HasSubstr("refers to output 'modle' of stage 'prune', which reports model; did you "
                      "mean 'model'?"),
            HasSubstr("export.outputs.onx cannot be placed by export")));
}

TEST(ParsePipelineTest, FindsStagesThatWaitForEachOther) {
  const auto pipeline = Parse(R"(
stages:
  - {name: a, kind: prune, inputs: {model: "${stage.c.outputs.model}"}}
  - {name: b, kind: prune, inputs: {model: "${stage.a.outputs.model}"}}
  - {name: c, kind: prune, inputs: {model: "${stage.b.outputs.model}"}}
  - {name: d, kind: prune, inputs: {model: "${stage.c.outputs.model}"}}
)");
  EXPECT_THAT(pipeline, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("wait for each other: a -> c -> b -> a")));
}

TEST(ParsePipelineTest, AStageMayStandBeforeTheOneThatItNeeds) {
  const auto pipeline = Parse(R"(
stages:
  - {name: b, kind: prune, inputs: {model: "${stage.a.outputs.model}"}}
  - {name: a, kind: prune, inputs: {model: start.tlt}}
)");
  ASSERT_THAT(pipeline, IsOk());
  EXPECT_THAT(pipeline->stages[0].needs, ElementsAre(1));
}

TEST(ParsePipelineTest, MissingAndUnknownParametersAreProblems) {
  const auto pipeline = Parse(R"(
params: {data: }
stages:
  - {name: a, kind: prune, inputs: {model: "${param.dta}"}}
)",
                              {{"dat", "x"}});
  EXPECT_THAT(pipeline,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("p.yaml:2:10: params.data has no default and was not given"),
                             HasSubstr("parameter dat is not among the pipeline's params; did you "
                                       "mean 'data'?"),
                             HasSubstr("${param.dta} names no parameter of the pipeline; did you "
                                       "mean 'data'?"))));
}

TEST(ParsePipelineTest, RefusesALiteralKeyWithoutRepeatingIt) {
  const auto pipeline = Parse("key: topsecret\nstages: [{name: a, kind: prune, inputs: {model: m}}]");
  EXPECT_THAT(pipeline, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("key is a literal key"),
                                       Not(HasSubstr("topsecret")))));
}

TEST(ParsePipelineTest, SaysWhereTextIsNoYaml) {
  EXPECT_THAT(Parse("name: [a\nstages: }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("p.yaml:2:")));
}

TEST(ParsePipelineTest, SpecFilesAreReadBesideThePipelineUnlessTheyWereSent) {
  const std::string text =
      "stages: [{name: e, kind: evaluate, spec: specs/a.txt, inputs: {model: m}}]";
  std::string asked;
  PipelineSource source{.text = text, .name = "here/p.yaml"};
  source.read_spec = [&asked](const std::string& path) -> absl::StatusOr<std::string> {
    asked = path;
    return "from file";
  };
  const auto read = ParsePipeline(source);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(asked, "here/specs/a.txt");
  EXPECT_EQ(read->stages[0].spec_text, "from file");
  EXPECT_THAT(SpecFilesOf(text), ElementsAre("specs/a.txt"));

  source.parameters = {{"spec:specs/a.txt", "sent along"}};
  const auto sent = ParsePipeline(source);
  ASSERT_THAT(sent, IsOk());
  EXPECT_EQ(sent->stages[0].spec_text, "sent along");
  EXPECT_THAT(sent->spec_files, ElementsAre(Pair("specs/a.txt", "sent along")));
}

TEST(ParsePipelineTest, AGateThatRetriesNeedsOverrides) {
  EXPECT_THAT(Parse(R"(
stages:
  - name: a
    kind: prune
    inputs: {model: m}
    gates: {min: {mAP: 0.5}, on_fail: retry}
)"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("retries without `retry` overrides")));
}

}  // namespace
}  // namespace trainyard::orchestrator
