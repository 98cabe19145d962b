#include "libs/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/data/internal/tensor_pool.h"

namespace trainyard::data {
namespace {

constexpr int64_t kMaxEpoch = int64_t{1} << 24;  // Philox has 24 bits for it.

// A batch in the making. `handed_out` and `remaining` are guarded by the loader's mutex; each
// thread writes the elements of its own samples only.
struct Work {
  Batch batch;
  // Of each sample, the number of its random stream.
  std::vector<uint64_t> streams;
  std::vector<absl::Status> statuses;
  size_t handed_out = 0;
  size_t remaining = 0;
  absl::Status status;
};

absl::Status CheckOptions(const LoaderOptions& o, int64_t samples) {
  Problems problems;
  const auto at_least = [&problems](const char* field, int64_t value, int64_t min) {
    if (value < min) problems.Add(field, "is %d; expected at least %d", value, min);
  };
  at_least("samples", samples, 1);
  at_least("batch_size", o.batch_size, 1);
  at_least("threads", o.threads, 1);
  at_least("queue_batches", o.queue_batches, 1);
  at_least("world_size", o.world_size, 1);
  at_least("first_step", o.first_step, 0);
  if (o.rank < 0 || o.rank >= o.world_size) {
    problems.Add("rank", "is %d; expected 0 to %d", o.rank, o.world_size - 1);
  }
  if (o.first_epoch < 0 || o.first_epoch >= kMaxEpoch || o.end_epoch > kMaxEpoch) {
    problems.Add("first_epoch", "and end_epoch are %d and %d; expected 0 to %d", o.first_epoch,
                 o.end_epoch, kMaxEpoch);
  }
  return problems.ToStatus();
}

}  // namespace

std::vector<int64_t> EpochOrder(uint64_t seed, int64_t epoch, int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  Philox random(seed, static_cast<uint32_t>(epoch), 0, RandomPurpose::kOrder);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  return order;
}

class BatchLoader::Impl {
 public:
  Impl(std::shared_ptr<const PreparedSource> source, LoaderOptions options)
      : source_(std::move(source)),
        options_(std::move(options)),
        samples_(source_->size()),
        input_(source_->input_shape()),
        epoch_(options_.first_epoch),
        step_(options_.first_step) {
    const int64_t batch_bytes = ElementCount() * options_.batch_size * SizeOf(DType::kFloat32);
    const int64_t fitting = std::max<int64_t>(2, options_.queue_bytes / batch_bytes);
    queue_ = static_cast<size_t>(std::min<int64_t>(options_.queue_batches, fitting));
    pool_ = internal::TensorPool::Create(queue_ * 2 + 8);
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_changed_.notify_all();
    threads_.clear();  // Joins.
  }

  void Start() {
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
  }

  int64_t steps_per_epoch() const {
    const int64_t global = int64_t{options_.batch_size} * options_.world_size;
    return (samples_ + global - 1) / global;
  }

  absl::StatusOr<Batch> Next() {
    std::unique_lock lock(mutex_);
    TY_RETURN_IF_ERROR(failure_);
    wanted_ = true;
    if (!options_.runs_ahead) work_changed_.notify_all();
    batch_ready_.wait(lock, [this] {
      return (!works_.empty() && works_.front()->remaining == 0) || (works_.empty() && AtEnd());
    });
    wanted_ = false;
    if (works_.empty()) return absl::OutOfRangeError("no more batches");
    const std::shared_ptr<Work> work = std::move(works_.front());
    works_.pop_front();
    failure_ = work->status;
    // After a failure nothing further is wanted.
    if (!failure_.ok()) stopping_ = true;
    lock.unlock();
    work_changed_.notify_all();
    TY_RETURN_IF_ERROR(work->status);
    return std::move(work->batch);
  }

 private:
  bool AtEnd() const { return options_.end_epoch >= 0 && epoch_ >= options_.end_epoch; }

  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_changed_.wait(lock,
                         [this] { return stopping_ || AtEnd() || MayOpen() || HasSamples(); });
      if (stopping_) return;
      if (!HasSamples()) {
        if (AtEnd()) {
          // Samples in hand of other threads finish without us.
          batch_ready_.notify_all();
          return;
        }
        if (MayOpen()) AddWork();
        continue;
      }
      const std::shared_ptr<Work> work = works_.back();
      const size_t slot = work->handed_out++;
      lock.unlock();
      work->statuses[slot] = Prepare(*work, slot);
      lock.lock();
      // The last one stacks, while its batch still counts as unfinished.
      if (work->remaining == 1) {
        lock.unlock();
        work->status = Finish(*work);
        lock.lock();
      }
      if (--work->remaining == 0) batch_ready_.notify_all();
    }
  }

  // Whether another batch may be opened. Called with the mutex held.
  bool MayOpen() const {
    return options_.runs_ahead ? works_.size() < queue_ : wanted_ && works_.empty();
  }

  // Batches are opened one after another, so only the newest has samples to hand out.
  bool HasSamples() const {
    return !works_.empty() && works_.back()->handed_out < works_.back()->batch.indices.size();
  }

  // Opens the next batch. Called with the mutex held.
  void AddWork() {
    auto work = std::make_shared<Work>();
    Batch& batch = work->batch;
    batch.epoch = epoch_;
    batch.step = step_;
    batch.last_of_epoch = step_ + 1 == steps_per_epoch();
    FillIndices(*work);
    const size_t n = batch.indices.size();
    batch.samples.resize(n);
    work->statuses.resize(n);
    work->remaining = n;
    auto images =
        pool_->Take(DType::kFloat32, {static_cast<int64_t>(n), input_[0], input_[1], input_[2]});
    if (images.ok()) {
      batch.images = *std::move(images);
    } else {
      work->status = images.status();
      work->remaining = work->handed_out = 0;
      batch.indices.clear();
    }
    works_.push_back(work);
    if (work->remaining == 0) batch_ready_.notify_all();
    if (++step_ == steps_per_epoch()) {
      step_ = 0;
      ++epoch_;
    }
    work_changed_.notify_all();
  }

  // Which samples the batch of epoch_ and step_ has.
  void FillIndices(Work& work) {
    if (options_.shuffle && order_epoch_ != epoch_) {
      order_ = EpochOrder(options_.seed, epoch_, samples_);
      order_epoch_ = epoch_;
    }
    const int64_t world = options_.world_size;
    const int64_t begin = step_ * options_.batch_size * world + options_.rank;
    for (int i = 0; i < options_.batch_size; ++i) {
      const int64_t position = begin + i * world;
      const int64_t round = position / samples_, place = position % samples_;
      if (round > 0 && !options_.wrap_tail) break;
      const int64_t index = options_.shuffle ? order_[static_cast<size_t>(place)] : place;
      work.batch.indices.push_back(index);
      work.streams.push_back(static_cast<uint64_t>(index + round * samples_));
    }
  }

  // Makes sample `slot` of a batch. Touches nothing that another thread writes.
  absl::Status Prepare(Work& work, size_t slot) const {
    const int64_t index = work.batch.indices[slot];
    const auto size = static_cast<size_t>(ElementCount());
    Philox random(options_.seed, static_cast<uint32_t>(work.batch.epoch), work.streams[slot],
                  RandomPurpose::kAugmentation);
    absl::StatusOr<PreparedSample> prepared = source_->Prepare(
        index, random, work.batch.images.data<float>().subspan(slot * size, size));
    if (prepared.ok()) {
      work.batch.samples[slot] = *std::move(prepared);
      return absl::OkStatus();
    }
    if (options_.skips_failures) return prepared.status();
    return Annotate(prepared.status(), absl::StrCat("sample '", source_->Id(index), "'"));
  }

  int64_t ElementCount() const { return input_[0] * input_[1] * input_[2]; }

  // Takes failed samples out and stacks the targets, or finds the first failure in the batch's order.
  absl::Status Finish(Work& work) const {
    for (const absl::Status& status : work.statuses) {
      if (status.ok()) continue;
      if (!options_.skips_failures) return status;
      work.batch.skipped.push_back(status);
    }
    if (!work.batch.skipped.empty()) TY_RETURN_IF_ERROR(Compact(work));
    return StackTargets(work.batch);
  }

  // Closes the gaps that failed samples left.
  absl::Status Compact(Work& work) const {
    Batch& batch = work.batch;
    const auto bytes = static_cast<size_t>(ElementCount()) * sizeof(float);
    auto* rows = static_cast<char*>(batch.images.raw());
    size_t kept = 0;
    for (size_t i = 0; i < work.statuses.size(); ++i) {
      if (!work.statuses[i].ok()) continue;
      if (kept < i) {
        memcpy(rows + kept * bytes, rows + i * bytes, bytes);
        batch.indices[kept] = batch.indices[i];
        batch.samples[kept] = std::move(batch.samples[i]);
      }
      ++kept;
    }
    batch.indices.resize(kept);
    batch.samples.resize(kept);
    if (kept == 0) {
      batch.images = Tensor();
      return absl::OkStatus();
    }
    TY_ASSIGN_OR_RETURN(batch.images, batch.images.Rows(0, static_cast<int64_t>(kept)));
    return absl::OkStatus();
  }

  absl::Status StackTargets(Batch& batch) const {
    if (batch.samples.empty()) return absl::OkStatus();
    const size_t count = batch.samples[0].targets.size();
    for (size_t t = 0; t < count; ++t) {
      const Tensor& first = batch.samples[0].targets[t];
      Shape shape = first.shape();
      shape.insert(shape.begin(), static_cast<int64_t>(batch.samples.size()));
      TY_ASSIGN_OR_RETURN(Tensor stacked, pool_->Take(first.dtype(), shape));
      auto* out = static_cast<char*>(stacked.raw());
      for (const PreparedSample& sample : batch.samples) {
        const std::vector<Tensor>& targets = sample.targets;
        if (targets.size() != count || targets[t].dtype() != first.dtype() ||
            targets[t].shape() != first.shape()) {
          return absl::InternalError("targets of the samples of a batch differ in shape");
        }
        if (first.size_bytes() > 0) memcpy(out, targets[t].raw(), first.size_bytes());
        out += first.size_bytes();
      }
      batch.targets.push_back(std::move(stacked));
    }
    for (PreparedSample& sample : batch.samples) sample.targets.clear();
    return absl::OkStatus();
  }

  const std::shared_ptr<const PreparedSource> source_;
  const LoaderOptions options_;
  const int64_t samples_;
  const Shape input_;
  size_t queue_ = 2;
  std::shared_ptr<internal::TensorPool> pool_;

  std::mutex mutex_;
  std::condition_variable work_changed_, batch_ready_;
  // Guarded by mutex_.
  std::deque<std::shared_ptr<Work>> works_;
  int64_t epoch_, step_;  // Of the next batch to open.
  std::vector<int64_t> order_;
  int64_t order_epoch_ = -1;
  bool stopping_ = false;
  bool wanted_ = false;  // Somebody waits in Next().
  absl::Status failure_;

  std::vector<std::jthread> threads_;
};

BatchLoader::BatchLoader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BatchLoader::~BatchLoader() = default;

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(
    std::shared_ptr<const PreparedSource> source, LoaderOptions options) {
  TY_RETURN_IF_ERROR(CheckOptions(options, source->size()));
  const int64_t first_step = options.first_step;
  auto impl = std::make_unique<Impl>(std::move(source), std::move(options));
  if (first_step >= impl->steps_per_epoch()) {
    return absl::InvalidArgumentError(
        absl::StrCat("first_step is ", first_step, "; an epoch has ", impl->steps_per_epoch()));
  }
  impl->Start();
  return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(impl)));
}

absl::StatusOr<Batch> BatchLoader::Next() { return impl_->Next(); }
int64_t BatchLoader::steps_per_epoch() const { return impl_->steps_per_epoch(); }

}  // namespace trainyard::data
