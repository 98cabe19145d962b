#include "libs/data/loader.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/data/box_source.h"
#include "libs/data/box_truth.h"
#include "libs/data/preprocess.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeSource;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PlainSamples;
using ::testing::SizeIs;
using testing::StatusIs;

LoaderOptions Options(int batch_size, int threads = 1) {
  return {.batch_size = batch_size, .threads = threads, .queue_batches = 3, .end_epoch = 1};
}

model::v1::Preprocess SmallInput() {
  model::v1::Preprocess preprocess;
  preprocess.set_width(16);
  preprocess.set_height(12);
  preprocess.set_order(model::v1::Preprocess::RGB);
  preprocess.set_scale(1);
  for (int c = 0; c < 3; ++c) preprocess.add_mean(0);
  return preprocess;
}

std::shared_ptr<const PreparedSource> Prepared(
    std::shared_ptr<const SampleSource> source,
    std::optional<AugmentationOptions> augmentation = std::nullopt, BoxTargetEncoder encode = {}) {
  auto prepared = PrepareBoxes(std::move(source), {.augmentation = augmentation,
                                                   .preprocess = SmallInput(),
                                                   .encode = std::move(encode)});
  EXPECT_TRUE(prepared.ok()) << prepared.status();
  return *std::move(prepared);
}

std::shared_ptr<const PreparedSource> Source(int n, int64_t broken = -1) {
  return Prepared(std::make_shared<FakeSource>(PlainSamples(n), broken));
}

std::shared_ptr<const PreparedSource> Augmented(const std::vector<Sample>& samples) {
  return Prepared(std::make_shared<FakeSource>(samples), AugmentationOptions{});
}

std::vector<Batch> All(std::shared_ptr<const PreparedSource> source, LoaderOptions options) {
  auto loader = BatchLoader::Create(std::move(source), std::move(options));
  EXPECT_TRUE(loader.ok()) << loader.status();
  std::vector<Batch> batches;
  while (loader.ok()) {
    auto batch = (*loader)->Next();
    if (!batch.ok()) {
      EXPECT_THAT(batch, StatusIs(absl::StatusCode::kOutOfRange));
      break;
    }
    batches.push_back(*std::move(batch));
  }
  return batches;
}

std::vector<int64_t> IndicesOf(const std::vector<Batch>& batches) {
  std::vector<int64_t> indices;
  for (const Batch& b : batches) indices.insert(indices.end(), b.indices.begin(), b.indices.end());
  return indices;
}

bool SameTensor(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && memcmp(a.raw(), b.raw(), a.size_bytes()) == 0;
}

TEST(EpochOrderTest, IsAPermutationThatDependsOnSeedAndEpoch) {
  const std::vector<int64_t> order = EpochOrder(42, 0, 100);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 100u);
  EXPECT_EQ(EpochOrder(42, 0, 100), order);
  EXPECT_NE(EpochOrder(42, 1, 100), order);
  EXPECT_NE(EpochOrder(43, 0, 100), order);
  EXPECT_THAT(EpochOrder(42, 0, 1), ElementsAre(0));
}

TEST(EpochOrderTest, PutsEverySampleEverywhereEquallyOften) {
  constexpr int kEpochs = 3000;
  int counts[4][4] = {};
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<int64_t> order = EpochOrder(1, epoch, 4);
    for (size_t i = 0; i < 4; ++i) ++counts[i][order[i]];
  }
  // Five deviations: 5 * sqrt(3000 * 3/16) = 118.
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, kEpochs / 4, 118);
  }
}

TEST(BatchLoaderTest, GivesEachSampleOnceAnEpochInItsOrder) {
  const std::vector<Batch> batches = All(Source(10), Options(4));
  ASSERT_THAT(batches, SizeIs(3));
  EXPECT_EQ(IndicesOf(batches), EpochOrder(42, 0, 10));
  EXPECT_EQ(batches[0].images.shape(), (Shape{4, 3, 12, 16}));
  EXPECT_EQ(batches[2].images.shape(), (Shape{2, 3, 12, 16}));
  EXPECT_FALSE(batches[1].last_of_epoch);
  EXPECT_TRUE(batches[2].last_of_epoch);
  EXPECT_EQ(batches[2].step, 2);
}

TEST(BatchLoaderTest, HoldsThePictureAndBoxesOfEachSample) {
  LoaderOptions options = Options(5);
  options.shuffle = false;
  const std::vector<Batch> batches = All(Source(5), options);
  ASSERT_THAT(batches, SizeIs(1));
  const auto values = batches[0].images.data<float>();
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(batches[0].samples[i].sample.id, "images/" + std::to_string(i));
    EXPECT_EQ(batches[0].samples[i].size, (ImageSize{40, 30}));
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(values[(i * 3 + c) * 12 * 16 + 7], static_cast<float>((c + 1) * i));
    }
    // (4, 5, 20, 25) of 40 x 30 in 16 x 12: factor 0.4.
    const std::vector<LabelledBox>& boxes = BoxesOf(batches[0].samples[i].seen.get());
    ASSERT_THAT(boxes, SizeIs(1));
    EXPECT_EQ(boxes[0].box, (Box{2, 2, 8, 10}));
    EXPECT_EQ(boxes[0].class_id, static_cast<int>(1 + i % 3));
  }
}

TEST(BatchLoaderTest, StacksTheTargets) {
  LoaderOptions options = Options(4);
  options.shuffle = false;
  const BoxTargetEncoder encode =
      [](absl::Span<const LabelledBox> boxes) -> absl::StatusOr<std::vector<Tensor>> {
    const int32_t id = boxes[0].class_id;
    return std::vector<Tensor>{Tensor::Of<int32_t>({2}, {id, -id}),
                               Tensor::Of<float>({1, 1}, {boxes[0].box.x2})};
  };
  const std::vector<Batch> batches =
      All(Prepared(std::make_shared<FakeSource>(PlainSamples(6)), std::nullopt, encode), options);
  ASSERT_THAT(batches, SizeIs(2));
  ASSERT_THAT(batches[0].targets, SizeIs(2));
  EXPECT_EQ(batches[0].targets[0].shape(), (Shape{4, 2}));
  EXPECT_THAT(batches[0].targets[0].data<int32_t>(), ElementsAre(1, -1, 2, -2, 3, -3, 1, -1));
  EXPECT_EQ(batches[1].targets[1].shape(), (Shape{2, 1, 1}));
  EXPECT_THAT(batches[1].targets[1].data<float>(), ElementsAre(8, 8));
}

// Each sample, augmented by its own stream of random numbers: made here once more, one by one.
void ExpectAugmentedByStream(const Batch& batch, const LoaderOptions& options,
                             const std::vector<Sample>& samples,
                             const std::vector<uint64_t>& streams) {
  ASSERT_EQ(batch.indices.size(), streams.size());
  const size_t plane = 3 * 12 * 16;
  for (size_t i = 0; i < streams.size(); ++i) {
    const Sample& sample = samples[static_cast<size_t>(batch.indices[i])];
    Philox random(options.seed, static_cast<uint32_t>(batch.epoch), streams[i],
                  RandomPurpose::kAugmentation);
    const auto image =
        AugmentImage(sample.image, BoxesOf(sample.truth.get()), {}, 16, 12, random);
    ASSERT_TRUE(image.ok());
    std::vector<float> input(plane);
    ASSERT_TRUE(PreprocessImage(image->image, SmallInput(), absl::MakeSpan(input)).ok());
    EXPECT_EQ(memcmp(&batch.images.data<float>()[i * plane], input.data(), plane * sizeof(float)),
              0)
        << "sample " << i << " of epoch " << batch.epoch;
    EXPECT_EQ(BoxesOf(batch.samples[i].seen.get()).size(), image->boxes.size());
  }
}

// Pictures that show what was done to them.
std::vector<Sample> StripedSamples(int n) {
  std::vector<Sample> samples = PlainSamples(n);
  for (Sample& sample : samples) {
    testing::PaintBox(sample.image, {0, 0, 20, 15}, {250, 10, 10});
    testing::PaintBox(sample.image, {8, 9, 18, 28}, {10, 250, 10});
  }
  return samples;
}

TEST(BatchLoaderTest, AugmentsBySeedEpochAndSample) {
  const std::vector<Sample> samples = StripedSamples(6);
  LoaderOptions options = Options(3, 2);
  options.end_epoch = 2;
  for (const uint64_t seed : {42, 43}) {
    options.seed = seed;
    const std::vector<Batch> batches = All(Augmented(samples), options);
    ASSERT_THAT(batches, SizeIs(4));
    for (const Batch& batch : batches) {
      const std::vector<uint64_t> streams(batch.indices.begin(), batch.indices.end());
      ExpectAugmentedByStream(batch, options, samples, streams);
    }
  }
}

TEST(BatchLoaderTest, AWrappedTailHasFullBatchesInTheSeededOrderAugmentedAnew) {
  const std::vector<Sample> samples = StripedSamples(5);
  LoaderOptions options = Options(3);
  options.wrap_tail = true;
  std::vector<Batch> batches = All(Augmented(samples), options);
  const std::vector<int64_t> order = EpochOrder(42, 0, 5);
  ASSERT_THAT(batches, SizeIs(2));
  EXPECT_THAT(batches[1].indices, ElementsAre(order[3], order[4], order[0]));
  EXPECT_EQ(batches[1].images.shape(), (Shape{3, 3, 12, 16}));
  EXPECT_TRUE(batches[1].last_of_epoch);
  const auto stream = [](int64_t index, int64_t round) {
    return static_cast<uint64_t>(index + round * 5);
  };
  ExpectAugmentedByStream(batches[1], options, samples,
                          {stream(order[3], 0), stream(order[4], 0), stream(order[0], 1)});

  // More than one round.
  options.batch_size = 12;
  batches = All(Augmented(samples), options);
  ASSERT_THAT(batches, SizeIs(1));
  ASSERT_THAT(batches[0].indices, SizeIs(12));
  std::vector<uint64_t> streams;
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(batches[0].indices[static_cast<size_t>(i)], order[static_cast<size_t>(i % 5)]);
    streams.push_back(stream(order[static_cast<size_t>(i % 5)], i / 5));
  }
  ExpectAugmentedByStream(batches[0], options, samples, streams);
}

TEST(BatchLoaderTest, DoesNotDependOnTheNumberOfThreads) {
  LoaderOptions options = Options(7, 1);
  options.end_epoch = 3;
  const std::vector<Batch> one = All(Augmented(PlainSamples(30)), options);
  options.threads = 5;
  const std::vector<Batch> five = All(Augmented(PlainSamples(30)), options);
  ASSERT_EQ(one.size(), five.size());
  ASSERT_THAT(one, SizeIs(15));
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].indices, five[i].indices);
    EXPECT_EQ(one[i].epoch, five[i].epoch);
    EXPECT_TRUE(SameTensor(one[i].images, five[i].images)) << i;
  }
}

TEST(BatchLoaderTest, GoesOnFromAnyStepAsIfItHadComeThere) {
  LoaderOptions options = Options(4, 2);
  options.end_epoch = 3;
  const std::vector<Batch> whole = All(Augmented(PlainSamples(10)), options);
  options.first_epoch = 1;
  options.first_step = 2;
  const std::vector<Batch> rest = All(Augmented(PlainSamples(10)), options);
  ASSERT_THAT(whole, SizeIs(9));
  ASSERT_THAT(rest, SizeIs(4));
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].indices, whole[i + 5].indices);
    EXPECT_EQ(rest[i].step, whole[i + 5].step);
    EXPECT_TRUE(SameTensor(rest[i].images, whole[i + 5].images)) << i;
  }
}

TEST(BatchLoaderTest, TwoRanksSeeTheGlobalBatchesOfOne) {
  LoaderOptions options = Options(4);
  const std::vector<Batch> one = All(Source(11), options);
  options.batch_size = 2;
  options.world_size = 2;
  std::vector<std::vector<Batch>> ranks;
  for (options.rank = 0; options.rank < 2; ++options.rank)
    ranks.push_back(All(Source(11), options));
  ASSERT_THAT(one, SizeIs(3));
  for (size_t step = 0; step < 3; ++step) {
    std::vector<int64_t> joined;
    for (size_t i = 0; i < one[step].indices.size(); ++i) {
      joined.push_back(ranks[i % 2].at(step).indices.at(i / 2));
    }
    EXPECT_EQ(joined, one[step].indices);
  }
}

TEST(BatchLoaderTest, ARankMayGetNothingUnlessTheTailWraps) {
  LoaderOptions options = Options(1);
  options.world_size = 2;
  options.rank = 1;
  std::vector<Batch> batches = All(Source(3), options);
  ASSERT_THAT(batches, SizeIs(2));
  EXPECT_THAT(batches[1].indices, IsEmpty());
  EXPECT_EQ(batches[1].images.shape(), (Shape{0, 3, 12, 16}));
  options.wrap_tail = true;
  batches = All(Source(3), options);
  ASSERT_THAT(batches, SizeIs(2));
  EXPECT_THAT(batches[1].indices, ElementsAre(EpochOrder(42, 0, 3)[0]));
}

TEST(BatchLoaderTest, AnErrorComesWithItsSampleWhenItsBatchIsDue) {
  LoaderOptions options = Options(2, 3);
  options.shuffle = false;
  const auto loader = BatchLoader::Create(Source(10, 5), options);
  ASSERT_TRUE(loader.ok());
  EXPECT_TRUE((*loader)->Next().ok());
  EXPECT_TRUE((*loader)->Next().ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT((*loader)->Next(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("sample 'images/5'"), HasSubstr("is damaged"))));
  }
}

TEST(BatchLoaderTest, LeavesOutWhatFailsAndSaysWhy) {
  LoaderOptions options = Options(3, 2);
  options.shuffle = false;
  options.skips_failures = true;
  const BoxTargetEncoder encode =
      [](absl::Span<const LabelledBox> boxes) -> absl::StatusOr<std::vector<Tensor>> {
    return std::vector<Tensor>{Tensor::Of<int32_t>({1}, {boxes[0].class_id})};
  };
  const auto source = std::make_shared<FakeSource>(PlainSamples(7), 1);
  const std::vector<Batch> batches = All(Prepared(source, std::nullopt, encode), options);
  ASSERT_THAT(batches, SizeIs(3));
  EXPECT_THAT(batches[0].indices, ElementsAre(0, 2));
  EXPECT_THAT(batches[0].skipped,
              ElementsAre(StatusIs(absl::StatusCode::kDataLoss, "the picture is damaged")));
  EXPECT_EQ(batches[0].images.shape(), (Shape{2, 3, 12, 16}));
  // Red is the number of the sample.
  EXPECT_EQ(batches[0].images.data<float>()[3 * 12 * 16], 2);
  EXPECT_EQ(batches[0].samples[1].sample.id, "images/2");
  EXPECT_THAT(batches[0].targets[0].data<int32_t>(), ElementsAre(1, 3));
  EXPECT_THAT(batches[1].skipped, IsEmpty());
  options.batch_size = 1;
  const std::vector<Batch> single = All(Prepared(source, std::nullopt, encode), options);
  ASSERT_THAT(single, SizeIs(7));
  EXPECT_THAT(single[1].samples, IsEmpty());
  EXPECT_EQ(single[1].images.size(), 0);
  EXPECT_THAT(single[1].skipped, SizeIs(1));
}

TEST(BatchLoaderTest, CarriesErrorsOfTheEncoder) {
  LoaderOptions options = Options(2);
  const BoxTargetEncoder encode =
      [](absl::Span<const LabelledBox>) -> absl::StatusOr<std::vector<Tensor>> {
    return absl::InternalError("no anchors");
  };
  const auto loader = BatchLoader::Create(
      Prepared(std::make_shared<FakeSource>(PlainSamples(4)), std::nullopt, encode), options);
  EXPECT_THAT((*loader)->Next(), StatusIs(absl::StatusCode::kInternal, HasSubstr("no anchors")));
}

TEST(BatchLoaderTest, StopsInTheMiddleAndKeepsWhatWasGiven) {
  LoaderOptions options = Options(4, 4);
  options.end_epoch = -1;
  absl::StatusOr<Batch> batch = absl::InternalError("");
  {
    const auto loader = BatchLoader::Create(Source(50), options);
    batch = (*loader)->Next();
  }
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->images.data<float>()[0], static_cast<float>(batch->indices[0]));
}

TEST(BatchLoaderTest, UsesTheMemoryOfBatchesAgain) {
  LoaderOptions options = Options(4, 2);
  options.end_epoch = 50;
  const auto loader = BatchLoader::Create(Source(16), options);
  std::set<const void*> places;
  for (int i = 0; i < 200; ++i) {
    const auto batch = (*loader)->Next();
    ASSERT_TRUE(batch.ok());
    places.insert(batch->images.raw());
  }
  EXPECT_LE(places.size(), 8u);
}

// A source that counts how many of its samples were asked for.
class CountingSource : public FakeSource {
 public:
  using FakeSource::FakeSource;
  absl::StatusOr<Sample> Get(int64_t index) const override {
    ++asked;
    return FakeSource::Get(index);
  }
  mutable std::atomic<int> asked{0};
};

TEST(BatchLoaderTest, NeverRunsFurtherAheadThanItsQueue) {
  const auto source = std::make_shared<CountingSource>(PlainSamples(40));
  LoaderOptions options = Options(2, 3);  // Three batches at most.
  options.end_epoch = -1;
  const auto loader = BatchLoader::Create(Prepared(source), options);
  for (int taken = 1; taken <= 30; ++taken) {
    ASSERT_TRUE((*loader)->Next().ok());
    EXPECT_LE(source->asked, (taken + 3) * 2);
  }
}

TEST(BatchLoaderTest, ALoaderThatSharesItsCoresWorksOnlyWhileItIsWaitedFor) {
  const auto source = std::make_shared<CountingSource>(PlainSamples(40));
  LoaderOptions options = Options(2, 3);
  options.runs_ahead = false;
  options.end_epoch = 2;
  const auto loader = BatchLoader::Create(Prepared(source), options);
  for (int taken = 1; taken <= 40; ++taken) {
    EXPECT_EQ(source->asked, (taken - 1) * 2);
    ASSERT_TRUE((*loader)->Next().ok());
  }
  EXPECT_EQ(source->asked, 80);
  EXPECT_THAT((*loader)->Next(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(BatchLoaderTest, NamesAllBadOptions) {
  LoaderOptions options = Options(0, 0);
  options.rank = 3;
  EXPECT_THAT(BatchLoader::Create(Source(0), options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("samples is 0"), HasSubstr("batch_size is 0"),
                             HasSubstr("threads is 0"), HasSubstr("rank is 3"))));
  options = Options(4);
  options.first_step = 3;
  EXPECT_THAT(BatchLoader::Create(Source(10), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("first_step is 3")));
}

}  // namespace
}  // namespace trainyard::data
