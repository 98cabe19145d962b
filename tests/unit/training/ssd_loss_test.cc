#include "libs/training/losses/ssd_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ATen/ops/from_blob.h"
#include "ATen/ops/tensor.h"
#include "libs/base/random.h"
#include "tests/support/status_matchers.h"

namespace trainyard::training {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::StatusIs;

struct Case {
  int64_t n, a, k;
  std::vector<float> conf, loc, offsets;
  std::vector<int> classes;
};

Case RandomCase(uint64_t seed, double positive_share, double neutral_share) {
  Case c{.n = 3, .a = 40, .k = 4};
  Philox random(seed, 0, 0, RandomPurpose::kInitialization);
  for (int64_t i = 0; i < c.n * c.a; ++i) {
    for (int64_t j = 0; j < c.k; ++j) c.conf.push_back(static_cast<float>(3 * random.Normal()));
    for (int64_t j = 0; j < 4; ++j) {
      c.loc.push_back(static_cast<float>(random.Normal()));
      c.offsets.push_back(static_cast<float>(2 * random.Normal()));
    }
    const double u = random.Uniform();
    c.classes.push_back(u < positive_share                   ? 1 + static_cast<int>(random.Below(3))
                        : u < positive_share + neutral_share ? -1
                                                             : 0);
  }
  return c;
}

// The definition of the reference, word by word, in double.
double SlowLoss(const Case& c, double alpha, double ratio) {
  double total = 0;
  int64_t positives = 0;
  std::vector<double> negatives;
  for (int64_t i = 0; i < c.n * c.a; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < c.k; ++j) sum += std::exp(static_cast<double>(c.conf[i * c.k + j]));
    const int label = c.classes[i];
    if (label < 0) continue;
    const double p = std::exp(static_cast<double>(c.conf[i * c.k + label])) / sum;
    const double class_loss = -std::log(std::max(p, 1e-15));
    if (label == 0) {
      negatives.push_back(class_loss);
      continue;
    }
    ++positives;
    total += class_loss;
    for (int64_t j = 0; j < 4; ++j) {
      const double d = std::abs(static_cast<double>(c.loc[i * 4 + j]) - c.offsets[i * 4 + j]);
      total += alpha * (d < 1 ? 0.5 * d * d : d - 0.5);
    }
  }
  std::sort(negatives.rbegin(), negatives.rend());
  const auto wanted = static_cast<size_t>(std::max(0.0, std::floor(ratio * positives)));
  for (size_t i = 0; i < std::min(wanted, negatives.size()); ++i) total += negatives[i];
  return total / std::max<int64_t>(1, positives);
}

struct Torch {
  at::Tensor conf, loc, classes, offsets;
};

Torch ToTensors(const Case& c) {
  const auto floats = [](const std::vector<float>& values, at::IntArrayRef shape) {
    return at::tensor(values).reshape(shape);
  };
  return {.conf = floats(c.conf, {c.n, c.a, c.k}),
          .loc = floats(c.loc, {c.n, c.a, 4}),
          .classes = at::tensor(c.classes).to(at::kInt).reshape({c.n, c.a}),
          .offsets = floats(c.offsets, {c.n, c.a, 4})};
}

double Fast(const Torch& t, double alpha = 1, double ratio = 3) {
  SsdLoss loss(0, 1, {.alpha = alpha, .neg_pos_ratio = ratio});
  auto value = loss.Compute({t.conf, t.loc}, {t.classes, t.offsets});
  EXPECT_TRUE(value.ok()) << value.status();
  return value->item<double>();
}

TEST(SsdLossTest, AgreesWithTheDefinitionWrittenAsLoops) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Case c = RandomCase(seed, /*positive_share=*/0.05 * (seed % 5), /*neutral_share=*/0.1);
    const double slow = SlowLoss(c, 1.5, 3);
    EXPECT_NEAR(Fast(ToTensors(c), 1.5, 3), slow, 1e-5 * (1 + slow)) << "seed " << seed;
  }
}

TEST(SsdLossTest, ABatchWithoutMatchesCostsNothing) {
  EXPECT_EQ(Fast(ToTensors(RandomCase(7, 0, 0.2))), 0);
}

TEST(SsdLossTest, AHandWorkedBatch) {
  // One match at even odds of two classes: ln 2. Negatives: ratio 1 keeps the worse of ln 2 and
  // ln(1 + e^-2). Offsets 0.5 and 3 away: 0.125 + 2.5. One positive, so the sum is the loss.
  const Torch t{.conf = at::tensor({0.f, 0.f, 0.f, 0.f, 2.f, 0.f}).reshape({1, 3, 2}),
                .loc = at::tensor({.5f, 3.f, 0.f, 0.f, 9.f, 9.f, 9.f, 9.f, 9.f, 9.f, 9.f, 9.f})
                           .reshape({1, 3, 4}),
                .classes = at::tensor({1, 0, 0}).to(at::kInt).reshape({1, 3}),
                .offsets = at::tensor(std::vector<float>(12, 0.f)).reshape({1, 3, 4})};
  EXPECT_NEAR(Fast(t, 1, 1), 2 * std::log(2.0) + 2.625, 1e-6);
  EXPECT_NEAR(Fast(t, 2, 1), 2 * std::log(2.0) + 5.25, 1e-6);
}

TEST(SsdLossTest, AProbabilityOfZeroCostsTheFloor) {
  const Torch t{.conf = at::tensor({500.f, 0.f}).reshape({1, 1, 2}),
                .loc = at::tensor({0.f, 0.f, 0.f, 0.f}).reshape({1, 1, 4}),
                .classes = at::tensor({1}).to(at::kInt).reshape({1, 1}),
                .offsets = at::tensor({0.f, 0.f, 0.f, 0.f}).reshape({1, 1, 4})};
  EXPECT_NEAR(Fast(t), -std::log(1e-15), 1e-4);
}

TEST(SsdLossTest, TheGradientAgreesWithFiniteDifferences) {
  Case c = RandomCase(11, 0.15, 0.1);
  Torch t = ToTensors(c);
  t.conf.requires_grad_(true);
  t.loc.requires_grad_(true);
  SsdLoss loss(0, 1, {});
  auto value = loss.Compute({t.conf, t.loc}, {t.classes, t.offsets});
  ASSERT_TRUE(value.ok());
  value->backward();
  // The loops in double make differences of 1e-3 exact to about 1e-6, away from the kinks.
  const auto check = [&](std::vector<float>& values, const at::Tensor& gradient) {
    const at::Tensor flat = gradient.flatten();
    for (size_t i = 0; i < values.size(); i += 3) {
      const float kept = values[i];
      values[i] = kept + 1e-3f;
      const double up = SlowLoss(c, 1, 3);
      const double step_up = static_cast<double>(values[i]) - kept;
      values[i] = kept - 1e-3f;
      const double down = SlowLoss(c, 1, 3);
      const double step_down = static_cast<double>(kept) - values[i];
      values[i] = kept;
      EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), (up - down) / (step_up + step_down),
                  1e-4)
          << "element " << i;
    }
  };
  check(c.conf, t.conf.grad());
  check(c.loc, t.loc.grad());
}

TEST(SsdLossTest, ShapesThatDoNotBelongTogetherAreNamed) {
  Torch t = ToTensors(RandomCase(1, 0.1, 0));
  SsdLoss loss(0, 1, {});
  EXPECT_THAT(loss.Compute({t.conf, t.loc}, {t.classes.slice(1, 0, 5), t.offsets}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[3, 5]")));
}

}  // namespace
}  // namespace trainyard::training
