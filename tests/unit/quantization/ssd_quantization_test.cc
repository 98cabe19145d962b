// SSD on every backbone in INT8: all convolutions have their Q/DQ pairs, and onnxruntime, which
// shares no line with us, finds the heads near those in floats.

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/fold.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/calibration.h"
#include "libs/quantization/quantize.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::IsEmpty;
using testing::IsOk;
using testing::NormalTensor;
using testing::OracleJob;
using testing::RelativeError;
using testing::RunOnnxruntime;
using testing::SmallSsds;

constexpr size_t kHeads = 2;

/// A network without batch normalizations, and the tensors whose ranges INT8 needs.
struct Folded {
  std::string name;
  graph::Graph graph;
  std::vector<std::string> tensors;
};

std::vector<Folded> FoldedSsds() {
  std::vector<Folded> all;
  for (const networks::SsdArchitecture& ssd : SmallSsds()) {
    Folded folded{testing::SsdModel(ssd, {"car", "person"}).record.arch(),
                  std::move(networks::BuildSsd(ssd, 1)->graph),
                  {}};
    EXPECT_THAT(graph::FoldBatchNorm(folded.graph), IsOk());
    folded.tensors = TensorsToCalibrate(folded.graph, {});
    all.push_back(std::move(folded));
  }
  return all;
}

size_t CountConvolutions(const graph::Graph& graph) {
  size_t count = 0;
  for (const onnx::NodeProto* node : graph.nodes()) count += node->op_type() == "Conv";
  return count;
}

TEST(SsdQuantizationTest, EveryBackboneIsQuantizedWhole) {
  // Of the size of pixels after the mean is taken off.
  const Tensor picture = NormalTensor({1, 3, 131, 137}, 3, 60);
  const std::vector<Folded> ssds = FoldedSsds();
  std::vector<OracleJob> jobs;
  for (const Folded& ssd : ssds) {
    const auto shown = WithActivationOutputs(ssd.graph, ssd.tensors);
    ASSERT_THAT(shown, IsOk());
    jobs.push_back({shown->Serialize(), picture});
  }
  const auto exact = RunOnnxruntime(jobs);
  ASSERT_THAT(exact, IsOk());

  jobs.clear();
  for (size_t i = 0; i < ssds.size(); ++i) {
    SCOPED_TRACE(ssds[i].name);
    RangeObserver observer;
    ASSERT_THAT(observer.Observe("Input", picture), IsOk());
    size_t output = kHeads;
    for (const std::string& name : ssds[i].tensors) {
      if (name == "Input") continue;
      ASSERT_THAT(observer.Observe(name, (*exact)[i][output++]), IsOk()) << name;
    }
    const auto quantized =
        InsertQdq(ssds[i].graph, {.images = 1, .ranges = observer.ranges()}, {});
    ASSERT_THAT(quantized, IsOk());
    EXPECT_THAT(quantized->report.kept_in_fp32, IsEmpty());
    EXPECT_EQ(quantized->report.layers.size(), CountConvolutions(ssds[i].graph));
    jobs.push_back({quantized->graph.Serialize(), picture});
  }
  const auto rounded = RunOnnxruntime(jobs);
  ASSERT_THAT(rounded, IsOk());
  for (size_t i = 0; i < ssds.size(); ++i) {
    for (size_t head = 0; head < kHeads; ++head) {
      // Swish goes little below 0, so that it leaves nearly half of its s8 steps unused: 0.22 with
      // EfficientNets, below 0.2 with all others.
      EXPECT_LT(RelativeError((*exact)[i][head], (*rounded)[i][head]), 0.3)
          << ssds[i].name << ", head " << head;
    }
  }
}

}  // namespace
}  // namespace trainyard::quantization
