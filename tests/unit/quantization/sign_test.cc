#include "libs/quantization/sign.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::Contains;
using testing::IsOk;
using ::testing::IsSupersetOf;
using ::testing::Not;

TEST(NeverNegativeTest, FollowsValuesThatCannotBeNegative) {
  graph::GraphBuilder builder("signs");
  const std::string x = builder.Input("x", {-1, 4, 8, 8});
  const auto scalar = [&builder](const std::string& name, float value) {
    return builder.Initializer(name, Tensor::Of<float>({}, {value}));
  };
  const std::string relu = builder.Relu("relu", x);
  builder.Node("Sigmoid", "sigmoid", {x});
  builder.Node("Clip", "relu6", {x, scalar("zero", 0), scalar("six", 6)});
  builder.Node("Clip", "both_signs", {x, scalar("minus_one", -1), scalar("one", 1)});
  builder.Node("Clip", "of_relu", {relu, "minus_one", "one"});
  builder.Node("LeakyRelu", "leaky", {x});
  builder.Node("HardSwish", "swish", {x});
  builder.MaxPool("pool", relu, 2, {.stride = 2});
  builder.MaxPool("pool_of_any", x, 2, {.stride = 2});
  builder.Concat("both", {relu, "sigmoid"}, 1);
  builder.Concat("one_of_any", {relu, x}, 1);
  builder.Add("sum", relu, "relu6");
  builder.Add("sum_of_any", relu, x);
  builder.Node("Mul", "gated", {relu, "sigmoid"});
  builder.Node("Mul", "scaled", {relu, "six"});
  builder.Node("Mul", "turned", {relu, "minus_one"});
  builder.Node("Sub", "difference", {relu, "sigmoid"});
  const std::string scales =
      builder.Initializer("scales", Tensor::Of<float>({4}, std::vector<float>{1, 1, 2, 2}));
  builder.Node("Resize", "linear", {relu, "", scales}, {{"mode", std::string("linear")}});
  builder.Node("Resize", "cubic", {relu, "", scales}, {{"mode", std::string("cubic")}});
  for (const std::string name :
       {"both_signs", "of_relu", "leaky", "swish", "pool", "pool_of_any", "both", "one_of_any",
        "sum", "sum_of_any", "gated", "scaled", "turned", "difference", "linear", "cubic"}) {
    builder.Output(name, {-1, -1, -1, -1});
  }
  const auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const std::set<std::string> never = NeverNegative(*graph);
  EXPECT_THAT(never, IsSupersetOf({"relu", "sigmoid", "relu6", "of_relu", "pool", "both", "sum",
                                   "gated", "scaled", "linear"}));
  for (const std::string name : {"x", "both_signs", "leaky", "swish", "pool_of_any", "one_of_any",
                                 "sum_of_any", "turned", "difference", "cubic"}) {
    EXPECT_THAT(never, Not(Contains(name)));
  }
}

}  // namespace
}  // namespace trainyard::quantization
