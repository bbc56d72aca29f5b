#include "maskbus/shm/child.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "maskbus/base64.hpp"
#include "maskbus/detail/clock.hpp"
#include "maskbus/detail/ids.hpp"
#include "maskbus/detail/peer.hpp"
#include "maskbus/limits.hpp"
#include "maskbus/shm/bell.hpp"
#include "maskbus/shm/child_mailbox.hpp"
#include "maskbus/shm/child_ready.hpp"
#include "maskbus/shm/process.hpp"

namespace maskbus {
namespace detail {  // and not nameless: `Child::Core` holds them, and files may be compiled together

/// One run of the child, and all that lies between it and its parent.
struct ChildRun {
    shm::Process process;
    shm::ChildMailbox mailbox;
    std::unique_ptr<shm::ChildBell> bell;
};

/// Whose turn it is: one call's at a time. (ThreadSanitizer does not know the locks of a std::timed_mutex.)
class Turns {
public:
    /// Wait for the turn until some moment; false where it did not come.
    bool take(TimePoint until) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!free_again_.wait_until(lock, until, [&] { return !taken_; })) {
            return false;
        }
        return taken_ = true;
    }
    void take() {
        std::unique_lock<std::mutex> lock(mutex_);
        free_again_.wait(lock, [&] { return !taken_; });
        taken_ = true;
    }
    void give() {
        const std::lock_guard<std::mutex> lock(mutex_);
        taken_ = false;
        free_again_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable free_again_;
    bool taken_ = false;
};

/// Gives a turn that has been taken back.
class Turn {
public:
    explicit Turn(Turns& turns) : turns_(turns) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        turns_.give();
    }

private:
    Turns& turns_;
};

}  // namespace detail

namespace {

using detail::ChildRun;
using detail::Clock;
using detail::TimePoint;
using detail::Turn;

constexpr std::chrono::milliseconds end_patience{5'000};

Error died(shm::Process& process) {
    process.end(end_patience);
    return {codes::child_died, "The child " + process.ending() + "."};
}

std::vector<std::string> command_of(const ChildOptions& options) {
    std::vector<std::string> command = options.command;
    command.insert(command.end(), {"--mapping", std::to_string(options.mapping_bytes)});
    if (!options.model.empty()) {
        command.insert(command.end(), {"--model", options.model});
    }
    if (!options.events.empty()) {
        command.insert(command.end(), {"--events", options.events});
    }
    command.insert(command.end(), options.arguments.begin(), options.arguments.end());
    return command;
}

Result<std::unique_ptr<ChildRun>> start_run(const ChildOptions& options) {
    Result<shm::Process> process = shm::Process::start(command_of(options));
    if (!process) {
        return std::move(process).error();
    }
    const Result<std::string> line = process->read_line(Clock::now() + options.start_timeout);
    if (!line) {
        process->end(std::chrono::milliseconds(0));
        return line.error();
    }
    const Result<shm::ChildReady> ready = shm::ChildReady::parse(*line);
    if (!ready) {
        return ready.error();
    }
    Result<shm::Mapping> mapping = shm::Mapping::open(ready->mapping, ready->generation);
    if (!mapping) {
        return process->has_ended() ? died(*process) : std::move(mapping).error();
    }
    Result<shm::ChildMailbox> mailbox = shm::ChildMailbox::make(*std::move(mapping), options.checksum);
    if (!mailbox) {
        return std::move(mailbox).error();
    }
    Result<std::unique_ptr<shm::ChildBell>> bell = shm::ChildBell::connect(ready->bell, mailbox->token());
    if (!bell) {
        return std::move(bell).error();
    }
    return std::make_unique<ChildRun>(ChildRun{*std::move(process), *std::move(mailbox), *std::move(bell)});
}

Error late(const char* what) {
    return {codes::deadline_exceeded, what};
}

}  // namespace

class Child::Core {
public:
    explicit Core(ChildOptions options) : options_(std::move(options)) {}

    Result<void> restart() {
        turns_.take();
        const Turn turn(turns_);
        run_.reset();
        pid_ = 0;
        Result<std::unique_ptr<ChildRun>> run = start_run(options_);
        if (!run) {
            return std::move(run).error();
        }
        run_ = *std::move(run);
        pid_ = run_->process.pid();
        return {};
    }

    bool is_alive() {
        if (!turns_.take(TimePoint::min())) {
            return true;  // a call is under way, and would say if it were not
        }
        const Turn turn(turns_);
        return run_ != nullptr && !run_->process.has_ended();
    }

    std::int64_t pid() const noexcept {
        return pid_;
    }

    /// Send what `make(id, milliseconds)` returns, and return what `read(opened)` makes of its reply. `otherwise` is
    /// the deadline where neither the call nor the options name one.
    template <class Make, class Read>
    auto call(std::chrono::milliseconds deadline, const std::string& id, const Make& make, const Read& read,
              std::chrono::milliseconds otherwise = detail::Policy().deadline)
        -> decltype(read(std::declval<const wire::Opened&>())) {
        const std::chrono::milliseconds patience =
            deadline.count() == 0 ? options_.deadline.value_or(otherwise) : deadline;
        if (patience.count() <= 0 || patience.count() > request_limits.deadline_ms) {
            return Error{codes::invalid_value, "A deadline is 1 to 3600000 milliseconds.", "deadline"};
        }
        const TimePoint until = Clock::now() + patience;
        if (!turns_.take(until)) {
            return late("Other calls took all the time that this one had.");
        }
        const Turn turn(turns_);
        if (run_ == nullptr) {
            return Error{codes::child_died, "There is no child: the last one did not come up."};
        }
        if (auto error = settle(until)) {
            return *std::move(error);
        }
        const std::string name = id.empty() ? ids_.next() : id;
        const Result<wire::Message> message =
            make(name, std::max<std::int64_t>(1, detail::milliseconds_until(until, Clock::now())));
        if (!message) {
            return message.error();
        }
        const Result<std::uint64_t> generation = run_->mailbox.write(*message);
        if (!generation) {
            return generation.error();
        }
        run_->bell->ring(*generation);
        const Result<wire::Opened> opened = wait(name, until);
        return opened ? read(*opened) : opened.error();
    }

private:
    using What = shm::ChildBell::Heard::What;

    /// Wait until the child is done with a request that an earlier call has given up. Its answer is thrown away.
    std::optional<Error> settle(TimePoint until) {
        while (!run_->mailbox.is_free()) {
            switch (run_->bell->wait(run_->process, until).what) {
                case What::rung:
                    break;
                case What::ended:
                    return died(run_->process);
                case What::timeout:
                    return late("The child has not finished the request before this one.");
            }
        }
        if (run_->process.has_ended()) {
            return died(run_->process);
        }
        return std::nullopt;
    }

    Result<wire::Opened> wait(const std::string& id, TimePoint until) {
        while (true) {
            const shm::ChildBell::Heard heard = run_->bell->wait(run_->process, until);
            if (heard.what == What::ended) {
                return died(run_->process);
            }
            if (heard.what == What::timeout) {
                return late("The child did not answer in time.");
            }
            Result<std::optional<shm::ChildMailbox::Reply>> reply = run_->mailbox.read(heard.generation);
            if (!reply) {
                return std::move(reply).error();
            }
            if (!reply->has_value()) {
                continue;  // a ring for what has been thrown away
            }
            Result<wire::Opened> opened = wire::open((*reply)->header, std::move((*reply)->attachments));
            // Who could not even read a request's id answers without one.
            if (!opened || opened->id() == id || (opened->id().empty() && opened->reply() == "error")) {
                return opened;
            }
        }
    }

    ChildOptions options_;
    detail::Ids ids_;
    std::atomic<std::int64_t> pid_{0};
    detail::Turns turns_;  // for all that follows
    std::unique_ptr<ChildRun> run_;
};

Result<Child> Child::start(ChildOptions options) {
    auto core = std::make_unique<Core>(std::move(options));
    if (Result<void> started = core->restart(); !started) {
        return std::move(started).error();
    }
    return Child(std::move(core));
}

Child::Child(std::unique_ptr<Core> core) noexcept : core_(std::move(core)) {}
Child::Child(Child&& other) noexcept = default;
Child& Child::operator=(Child&& other) noexcept = default;
Child::~Child() = default;

Result<Segmentation> Child::segment(const ImageView& image, const Prompt& prompt, const SegmentOptions& options) {
    return core_->call(
        options.deadline, options.id,
        [&](const std::string& id, std::int64_t left) { return wire::segment(image, prompt, options, id, left); },
        [](const wire::Opened& opened) { return wire::segmentation(opened); });
}

Result<Segmentation> Child::segment(const wire::HeldImage& image, const Prompt& prompt, const SegmentOptions& options) {
    return core_->call(
        options.deadline, options.id,
        [&](const std::string& id, std::int64_t left) { return wire::segment(image, prompt, options, id, left); },
        [](const wire::Opened& opened) { return wire::segmentation(opened); });
}

Result<Segmentation> Child::segment_base64(std::string_view text, const Prompt& prompt, const SegmentOptions& options) {
    Result<std::vector<std::uint8_t>> file = base64::decode(text, request_limits.frame_bytes);
    if (!file) {
        Error error = std::move(file).error();
        error.path = "image.base64";
        return error;
    }
    if (!file_encoding(file->data(), file->size())) {
        return Error{codes::invalid_image, "The Base64 text is no JPEG, PNG or WebP file.", "image"};
    }
    return segment(ImageView::file(file->data(), file->size()), prompt, options);
}

Result<Segmentation> Child::everything(const ImageView& image, const EverythingOptions& options) {
    if (options.progress) {
        return Error{codes::invalid_argument, "A child tells no progress.", "progress"};
    }
    return core_->call(
        options.deadline, options.id,
        [&](const std::string& id, std::int64_t left) { return wire::everything(image, options, id, left); },
        [](const wire::Opened& opened) { return wire::found(opened); }, detail::Policy().everything_deadline);
}

Result<Embedded> Child::embed(const ImageView& image, const EmbedOptions& options) {
    return core_->call(
        options.deadline, options.id,
        [&](const std::string& id, std::int64_t left) { return wire::embed(image, options, id, left); },
        [](const wire::Opened& opened) { return wire::embedded(opened); });
}

Result<Released> Child::release(std::string_view image_id, CallOptions options) {
    return core_->call(
        options.deadline, {}, [&](const std::string& id, std::int64_t) { return wire::release(image_id, id); },
        [](const wire::Opened& opened) { return wire::released(opened); });
}

Result<Pong> Child::ping(CallOptions options) {
    return core_->call(
        options.deadline, {}, [](const std::string& id, std::int64_t) { return wire::ping(id); },
        [](const wire::Opened& opened) { return wire::pong(opened); });
}

Result<Models> Child::describe(CallOptions options) {
    return core_->call(
        options.deadline, {}, [](const std::string& id, std::int64_t) { return wire::describe(id); },
        [](const wire::Opened& opened) { return wire::models(opened); });
}

Result<Statistics> Child::stats(CallOptions options) {
    return core_->call(
        options.deadline, {}, [](const std::string& id, std::int64_t) { return wire::stats(id); },
        [](const wire::Opened& opened) { return wire::statistics(opened); });
}

Result<void> Child::restart() {
    return core_->restart();
}

bool Child::is_alive() const {
    return core_->is_alive();
}

std::int64_t Child::pid() const {
    return core_->pid();
}

}  // namespace maskbus
