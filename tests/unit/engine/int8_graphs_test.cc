// Engines of many kinds of network against onnxruntime. CMakeLists.txt runs these once more with
// the kernels of processors without VNNI.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/engine/engine.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/places.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/random_graphs.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::NormalTensor;
using testing::OracleJob;
using testing::RelativeError;
using testing::RunOnnxruntime;
using testing::StatusIs;

/// The whole batch, once for each caller.
quantization::BatchSource Once(const Tensor& images) {
  return [images, done = false]() mutable -> absl::StatusOr<std::optional<Tensor>> {
    if (done) return std::nullopt;
    done = true;
    return images;
  };
}

/// A network with what its two engines and, later, onnxruntime answer.
struct Trial {
  std::string name;
  Tensor images;
  std::vector<Tensor> fp32, int8;
  std::vector<OracleJob> jobs;
};

EngineOptions Int8Options(const graph::Graph& graph, const Tensor& images) {
  EngineOptions options{.precision = "int8", .max_batch_size = 2, .threads = 2};
  // As on the processor whose kernels are asked for.
  if (std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr) options.kernel_steps = 64;
  const auto table = CalibrateGraph(graph, {}, Once(images), 2, 2);
  EXPECT_THAT(table, IsOk());
  if (table.ok()) options.calibration = *table;
  options.images = [images] { return Once(images); };
  return options;
}

/// Adds a trial of the network; failures name it.
void Try(const std::string& name, const graph::Graph& graph, std::vector<Trial>& trials,
         double size = 1) {
  SCOPED_TRACE(name);
  Trial trial{.name = name, .images = NormalTensor({2, 3, 16, 16}, 5, size)};
  const Model model{graph.Clone(), {}};
  const auto fp32 = BuildEngine(model, {.max_batch_size = 2, .threads = 2});
  ASSERT_THAT(fp32, IsOk());
  trial.fp32 = *fp32->runner->Run({trial.images});
  trial.jobs.push_back({graph.Serialize(), trial.images});
  const auto int8 = BuildEngine(model, Int8Options(graph, trial.images));
  ASSERT_THAT(int8, IsOk());
  for (const std::string& warning : int8->warnings) {
    EXPECT_EQ(warning.find("computes other numbers"), std::string::npos) << warning;
  }
  trial.int8 = *int8->runner->Run({trial.images});
  trial.jobs.push_back({int8->quantized->graph.Serialize(), trial.images});
  trials.push_back(std::move(trial));
}

/// Holds all trials against one run of onnxruntime.
void Judge(const std::vector<Trial>& trials) {
  std::vector<OracleJob> jobs;
  for (const Trial& trial : trials) jobs.insert(jobs.end(), trial.jobs.begin(), trial.jobs.end());
  const auto answers = RunOnnxruntime(jobs);
  ASSERT_THAT(answers, IsOk());
  for (size_t t = 0; t < trials.size(); ++t) {
    const std::vector<Tensor>& exact = (*answers)[2 * t];
    const std::vector<Tensor>& rounded = (*answers)[2 * t + 1];
    ASSERT_EQ(exact.size(), trials[t].fp32.size());
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LE(RelativeError(exact[i], trials[t].fp32[i]), 1e-5) << trials[t].name;
      const double theirs = RelativeError(exact[i], rounded[i]);
      EXPECT_LE(RelativeError(exact[i], trials[t].int8[i]), 1.5 * theirs + 1e-5)
          << trials[t].name << ", output " << i << ", onnxruntime is " << theirs << " off";
    }
  }
}

int64_t OpsetOf(const graph::Graph& graph) {
  for (const auto& import : graph.proto().opset_import()) {
    if (import.domain().empty()) return import.version();
  }
  return 0;
}

/// What the message tells people with an older opset to do.
absl::StatusOr<graph::Graph> Converted(const graph::Graph& graph) {
  const std::string folder = ::testing::TempDir(), from = folder + "/int8_graphs_test_old.onnx",
                    to = folder + "/int8_graphs_test_new.onnx";
  TY_RETURN_IF_ERROR(graph.Save(from));
  const std::string command = absl::StrCat(
      SourceDir(), "/.deps/venv/bin/python -c \"import onnx, onnx.version_converter; ",
      "model = onnx.load('", from,
      "'); onnx.save(onnx.version_converter.convert_version(model, 17), '", to, "')\"");
  if (std::system(command.c_str()) != 0) return absl::InternalError(command);
  return graph::Graph::Load(to);
}

TEST(Int8GraphsTest, EveryFamilyAnswersAsOnnxruntimeDoes) {
  std::vector<Trial> trials;
  for (const testing::ZooGraph& family : testing::Zoo()) {
    auto graph = graph::Graph::Parse(family.build(testing::ZooWeights::kFull).SerializeAsString());
    ASSERT_THAT(graph, IsOk()) << family.name;
    if (OpsetOf(*graph) < 13) {
      EXPECT_THAT(
          BuildEngine({graph->Clone(), {}}, Int8Options(*graph, NormalTensor({2, 3, 16, 16}, 5))),
          StatusIs(absl::StatusCode::kUnimplemented,
                   HasSubstr("onnx.version_converter.convert_version(model, 17)")))
          << family.name;
      graph = Converted(*graph);
      ASSERT_THAT(graph, IsOk()) << family.name;
    }
    Try(family.name, *graph, trials);
  }
  Judge(trials);
}

/// Height and width that are not fixed.
TEST(Int8GraphsTest, SizesThatAreNotFixedNeedImages) {
  graph::GraphBuilder builder("any size");
  const auto kernel = [](int64_t out, int64_t in, uint64_t seed) {
    return NormalTensor({out, in, 3, 3}, seed, 0.2);
  };
  const std::string x =
      builder.Relu("relu", builder.Conv("a", builder.Input("Input", {-1, 3, -1, -1}),
                                        kernel(8, 3, 1), NormalTensor({8}, 2, 0.1), {.pad = 1}));
  builder.Output(builder.Conv("b", x, kernel(4, 8, 3), NormalTensor({4}, 4), {.pad = 1}),
                 {-1, 4, -1, -1});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  std::vector<Trial> trials;
  Try("any size", *graph, trials);
  Judge(trials);
  EngineOptions options = Int8Options(*graph, NormalTensor({2, 3, 16, 16}, 5));
  options.images = nullptr;
  EXPECT_THAT(BuildEngine({graph->Clone(), {}}, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'Input'"), HasSubstr("give calibration images"))));
}

// The steps of a Concat's input went wrong by how small they are; hence inputs of several sizes.
TEST(Int8GraphsTest, NetworksThatNobodyThoughtOfDoToo) {
  std::vector<Trial> trials;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    const auto graph = testing::RandomGraph(seed);
    ASSERT_THAT(graph, IsOk()) << seed;
    Try(absl::StrCat("seed ", seed), *graph, trials, seed % 3 == 0 ? 60 : 1);
  }
  Judge(trials);
}

}  // namespace
}  // namespace trainyard::engine
