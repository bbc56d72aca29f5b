#pragma once

#include <atomic>
#include <cstdint>

/// Loads and stores of words that another process looks at as well. std::atomic_ref would be the word for it, but is
/// C++20. All words are naturally aligned: an entry begins at a multiple of 128.
namespace maskbus::shm::detail {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free,
              "a lock of this process would keep no other one out");

#if defined(__GNUC__) || defined(__clang__)

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout is little endian");

template <class Word>
[[nodiscard]] Word load(const std::uint8_t* at) noexcept {
    return __atomic_load_n(reinterpret_cast<const Word*>(at), __ATOMIC_ACQUIRE);
}
template <class Word>
void store(std::uint8_t* at, Word word) noexcept {
    __atomic_store_n(reinterpret_cast<Word*>(at), word, __ATOMIC_RELEASE);
}

#else

// There std::atomic<Word> is a Word and nothing else.
template <class Word>
[[nodiscard]] Word load(const std::uint8_t* at) noexcept {
    static_assert(sizeof(std::atomic<Word>) == sizeof(Word));
    return reinterpret_cast<const std::atomic<Word>*>(at)->load(std::memory_order_acquire);
}
template <class Word>
void store(std::uint8_t* at, Word word) noexcept {
    static_assert(sizeof(std::atomic<Word>) == sizeof(Word));
    reinterpret_cast<std::atomic<Word>*>(at)->store(word, std::memory_order_release);
}

#endif

/// Let nobody see a write that follows before those that went ahead.
inline void write_barrier() noexcept {
#if defined(__SANITIZE_THREAD__)
    // gcc's ThreadSanitizer does not know fences. This one is at least as strong on the processors it runs on.
    std::atomic<int> nobody{0};
    nobody.exchange(1, std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_release);
#endif
}

}  // namespace maskbus::shm::detail
