#include "libs/tensor/tensor.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;

Tensor Counting(Shape shape) {
  Tensor tensor = Tensor::Zeros(DType::kInt32, std::move(shape));
  int32_t next = 0;
  for (int32_t& value : tensor.data<int32_t>()) value = next++;
  return tensor;
}

TEST(DTypeTest, NumbersAreThoseOfOnnx) {
  // TensorProto.DataType of onnx.proto.
  EXPECT_EQ(static_cast<int>(DType::kFloat32), 1);
  EXPECT_EQ(static_cast<int>(DType::kUInt8), 2);
  EXPECT_EQ(static_cast<int>(DType::kInt8), 3);
  EXPECT_EQ(static_cast<int>(DType::kInt32), 6);
  EXPECT_EQ(static_cast<int>(DType::kInt64), 7);
  EXPECT_EQ(static_cast<int>(DType::kBool), 9);
  EXPECT_EQ(static_cast<int>(DType::kFloat64), 11);
}

TEST(DTypeTest, SizesAndNames) {
  EXPECT_EQ(SizeOf(DType::kFloat32), 4);
  EXPECT_EQ(SizeOf(DType::kUInt8), 1);
  EXPECT_EQ(SizeOf(DType::kInt64), 8);
  EXPECT_EQ(NameOf(DType::kFloat64), "f64");
  EXPECT_EQ(NameOf(DType::kBool), "bool");
}

TEST(ElementCountTest, MultipliesAndRefusesWhatHasNoCount) {
  EXPECT_THAT(ElementCount({}), IsOkAndHolds(1));
  EXPECT_THAT(ElementCount({2, 3, 0}), IsOkAndHolds(0));
  EXPECT_THAT(ElementCount({2, 3, 300, 300}), IsOkAndHolds(540000));
  EXPECT_THAT(ElementCount({2, -1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[2, -1]")));
  EXPECT_THAT(ElementCount({int64_t{1} << 32, int64_t{1} << 31}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TensorTest, CreateIsZeroFilledAndAligned) {
  for (const int64_t size : {1, 7, 64, 1000}) {
    const auto tensor = Tensor::Create(DType::kFloat32, {size});
    ASSERT_THAT(tensor, IsOk());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->raw()) % 64, 0u);
    EXPECT_THAT(tensor->data<float>(), Each(0.0f));
    EXPECT_EQ(tensor->size_bytes(), 4 * size);
  }
}

TEST(TensorTest, CreateRefusesWhatNoMemoryHoldsBeforeAllocating) {
  EXPECT_THAT(Tensor::Create(DType::kUInt8, {(int64_t{1} << 40) + 1}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("larger than 1 TiB")));
  EXPECT_THAT(Tensor::Create(DType::kFloat64, {std::numeric_limits<int64_t>::max()}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Tensor::Create(DType::kFloat32, {-1}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TensorTest, EmptyAndScalarTensors) {
  const Tensor empty;
  EXPECT_EQ(empty.size(), 0);
  EXPECT_TRUE(empty.data<float>().empty());
  EXPECT_EQ(Tensor::Zeros(DType::kInt8, {0, 5}).size(), 0);
  EXPECT_EQ(Tensor::Of<double>({}, {2.5}).data<double>()[0], 2.5);
}

TEST(TensorTest, CopiesShareAndClonesDoNot) {
  Tensor tensor = Tensor::Of<float>({3}, {1, 2, 3});
  Tensor copy = tensor;
  const Tensor clone = tensor.Clone();
  copy.data<float>()[0] = 9;
  EXPECT_THAT(tensor.data<float>(), ElementsAre(9, 2, 3));
  EXPECT_THAT(clone.data<float>(), ElementsAre(1, 2, 3));
}

TEST(TensorTest, TheBufferLivesAsLongAsItsLastHandle) {
  Tensor row;
  {
    const Tensor tensor = Counting({4, 2});
    row = tensor.Rows(2, 3).value();
  }
  EXPECT_THAT(row.data<int32_t>(), ElementsAre(4, 5));
}

TEST(TensorTest, RowsAreAWindow) {
  Tensor tensor = Counting({4, 3});
  auto rows = tensor.Rows(1, 3);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(rows->shape(), (Shape{2, 3}));
  EXPECT_THAT(rows->data<int32_t>(), ElementsAre(3, 4, 5, 6, 7, 8));
  rows->data<int32_t>()[0] = -1;
  EXPECT_EQ(tensor.data<int32_t>()[3], -1);
  EXPECT_EQ(tensor.Rows(2, 2)->size(), 0);
  EXPECT_THAT(tensor.Rows(0, 5),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("rows [0, 5) of shape")));
  EXPECT_THAT(tensor.Rows(-1, 1), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(tensor.Rows(3, 2), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(Tensor::Of<float>({}, {1}).Rows(0, 1), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(TensorTest, ReshapeSharesAndKeepsTheCount) {
  Tensor tensor = Counting({2, 3});
  auto flat = tensor.Reshape({6});
  ASSERT_THAT(flat, IsOk());
  flat->data<int32_t>()[5] = 50;
  EXPECT_EQ(tensor.data<int32_t>()[5], 50);
  EXPECT_THAT(tensor.Reshape({4}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("6 elements are not 4")));
}

TEST(TensorTest, ViewsKeepTheirOwnerAlive) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  std::weak_ptr<std::vector<float>> watch = owner;
  {
    const auto view = Tensor::View(DType::kFloat32, {2, 2}, owner->data(), owner);
    owner.reset();
    ASSERT_THAT(view, IsOk());
    EXPECT_FALSE(watch.expired());
    EXPECT_THAT(view->data<float>(), ElementsAre(1, 2, 3, 4));
  }
  EXPECT_TRUE(watch.expired());
}

TEST(TensorTest, DimensionsCountFromBothEnds) {
  const Tensor tensor = Tensor::Zeros(DType::kUInt8, {2, 3, 5});
  EXPECT_EQ(tensor.rank(), 3);
  EXPECT_EQ(tensor.dim(0), 2);
  EXPECT_EQ(tensor.dim(-1), 5);
  EXPECT_EQ(tensor.dim(-3), 2);
}

TEST(TensorDeathTest, BrokenInvariantsAbortWithWords) {
  const Tensor tensor = Tensor::Zeros(DType::kUInt8, {2});
  EXPECT_DEATH(tensor.dim(1), "dimension 1 of shape");
  EXPECT_DEATH(tensor.data<float>(), "elements are u8, read as f32");
  EXPECT_DEATH(Tensor::Of<float>({3}, {1, 2}), "8 bytes for a tensor of 12");
  EXPECT_DEATH(Tensor::Zeros(DType::kUInt8, {-2}), "no element count");
}

}  // namespace
}  // namespace trainyard
