#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

onnx::TensorProto Proto(int32_t type, std::vector<int64_t> dims) {
  onnx::TensorProto proto;
  proto.set_name("t");
  proto.set_data_type(type);
  for (const int64_t dim : dims) proto.add_dims(dim);
  return proto;
}

TEST(TensorProtoTest, ReadsBothStoredForms) {
  onnx::TensorProto typed = Proto(onnx::TensorProto::INT8, {3});
  for (const int v : {-128, 0, 127}) typed.add_int32_data(v);
  absl::StatusOr<Tensor> tensor = TensorFromProto(typed);
  ASSERT_THAT(tensor, IsOk());
  EXPECT_THAT(tensor->data<int8_t>(), ElementsAre(-128, 0, 127));

  onnx::TensorProto raw = Proto(onnx::TensorProto::INT64, {1, 2});
  raw.set_raw_data(std::string("\1\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377", 16));
  tensor = TensorFromProto(raw);
  ASSERT_THAT(tensor, IsOk());
  EXPECT_THAT(tensor->data<int64_t>(), ElementsAre(1, -1));
}

TEST(TensorProtoTest, AScalarHasNoDimensions) {
  onnx::TensorProto proto = Proto(onnx::TensorProto::FLOAT, {});
  proto.add_float_data(2.5f);
  absl::StatusOr<Tensor> tensor = TensorFromProto(proto);
  ASSERT_THAT(tensor, IsOk());
  EXPECT_EQ(tensor->rank(), 0);
  EXPECT_THAT(tensor->data<float>(), ElementsAre(2.5f));
}

TEST(TensorProtoTest, ComesBackFromItsProto) {
  const Tensor tensor = Tensor::Of<double>({2, 1}, {0.1, -3e300});
  absl::StatusOr<Tensor> back = TensorFromProto(TensorToProto("t", tensor));
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->shape(), tensor.shape());
  EXPECT_THAT(back->data<double>(), ElementsAre(0.1, -3e300));
}

TEST(TensorProtoTest, BytesThatDoNotFitTheShapeAreDataLoss) {
  onnx::TensorProto proto = Proto(onnx::TensorProto::FLOAT, {64, 3, 7, 7});
  proto.set_raw_data(std::string(4096, '\0'));
  EXPECT_THAT(TensorFromProto(proto),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("tensor 't'"), HasSubstr("has 4096 bytes of f32"),
                             HasSubstr("expected 37632"))));
  proto.clear_raw_data();
  EXPECT_THAT(TensorFromProto(proto), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(TensorProtoTest, AHugeShapeIsRefusedWithoutAllocating) {
  onnx::TensorProto proto = Proto(onnx::TensorProto::FLOAT, {int64_t{1} << 40, 1 << 20});
  proto.set_raw_data("1234");
  EXPECT_THAT(TensorFromProto(proto), StatusIs(absl::StatusCode::kDataLoss));
  proto = Proto(onnx::TensorProto::FLOAT, {int64_t{1} << 40, int64_t{1} << 40});
  EXPECT_THAT(TensorFromProto(proto), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TensorProtoTest, AnUnknownTypeIsUnimplementedByName) {
  EXPECT_THAT(TensorFromProto(Proto(onnx::TensorProto::FLOAT16, {1})),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("FLOAT16")));
}

}  // namespace
}  // namespace trainyard::graph
