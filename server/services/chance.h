/* SPDX-License-Identifier: ISC */
/*
 * chance.h - a number that nobody has chosen
 */
#ifndef GUICHET_CHANCE_H
#define GUICHET_CHANCE_H

#include <stdint.h>
#include <sys/random.h>

/*
 * One of 0 to @n - 1; 0 where the kernel has no randomness yet. The bias of
 * the division does not matter to those who call this.
 */
static inline uint32_t chance_below(uint32_t n)
{
	uint64_t number = 0;

	(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
	return (uint32_t)(number % n);
}

#endif
