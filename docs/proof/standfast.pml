/* The protocol by which a plan is published, for readers who trust Spin. The product's own code is explored by
 * `standfast prove`; this is a model beside it, and says the same in a few lines.
 *
 *   spin -a standfast.pml && gcc -O2 -DNFAIR=3 -o pan pan.c && ./pan -a -f          our protocol: errors: 0
 *   spin -DORIGINAL -a standfast.pml && gcc -O2 -o pan pan.c && ./pan -E    the design of 20 October 2025: an error
 *
 * A planner makes plans 2 to PLANS; plan 1 stands. Each enactor brings two names to the newest plan, one write for
 * each. Any process may wait for as long as it likes between any two steps. Clean-up forgets plans that nobody needs.
 */

#ifndef PLANS
#define PLANS    3
#endif
#define ENACTORS 2
#define NAMES    2
#ifndef FAULTS
#define FAULTS   1                 /* writes that are lost, late or unanswered */
#endif
#ifndef CRASHES
#define CRASHES  0                 /* of all enactors together; with -DCRASHES=1 it is 10 million states */
#endif

byte newest = 1;                   /* the newest plan */
bool kept[PLANS + 1];              /* the plans that were not collected */
byte name[NAMES];                  /* the plan whose address each name has */

#ifndef ORIGINAL

/* A fence: plan, step, whether it is the last of its plan, and whose write of which number it was. */
#define FENCE(plan, step, done, who, number) ((plan) << 12 | (step) << 9 | (done) << 8 | (who) << 6 | (number))
#define PLAN(fence)  ((fence) >> 12)
#define STEP(fence)  ((fence) >> 9 & 7)
#define DONE(fence)  ((fence) >> 8 & 1)
#define ORDER(fence) ((fence) >> 9)

short fence = FENCE(1, 1, 1, 3, 0);
byte faults = FAULTS;
byte crashes = CRASHES;
chan late = [FAULTS + CRASHES] of { short, short, byte };   /* writes that are still under way */

/* What the publisher does, as one: it compares the fence, and writes the name and the next fence, or nothing. */
#ifdef UNFENCED
#define STANDS(expected) true
#else
#define STANDS(expected) (fence == expected)
#endif

inline arrive(expected, next, what) {
    if
    :: STANDS(expected) ->
        assert(ORDER(next) > ORDER(fence));                 /* fences only grow */
        assert(PLAN(next) >= name[what]);                   /* no name goes back */
        fence = next;
        name[what] = PLAN(next);
        assert(!DONE(fence) || (name[0] == PLAN(fence) && name[1] == PLAN(fence)));   /* one plan, one content */
        assert(kept[PLAN(fence)]);                          /* nothing in use was collected */
    :: else
    fi
}

proctype Enactor(byte me) {
    short seen, next;
    byte plan, what, number;

look:
end:
    atomic {                                                /* the fence first, and wait until there is something to do */
        (PLAN(fence) < newest || !DONE(fence));
        seen = fence
    };
    plan = newest;                                          /* then the newest plan */
    atomic {                                                /* then all that is published, of one moment */
        seen = fence;
        if
        :: PLAN(seen) > plan || (PLAN(seen) == plan && DONE(seen)) -> goto look
        :: else -> what = (PLAN(seen) == plan && name[0] == plan -> 1 : 0)
        fi;
        number++;
        next = FENCE(plan, (PLAN(seen) == plan -> STEP(seen) + 1 : 1), what == NAMES - 1, me, number)
    };
send:
    if
    :: atomic { arrive(seen, next, what) }
    :: atomic { faults > 0 -> faults--; late!seen, next, what }                   /* given up, and under way, or lost */
    :: atomic { crashes > 0 -> crashes--; late!seen, next, what; goto look }      /* crashed: the same */
    :: atomic { crashes > 0 -> crashes--; goto look }
    fi;
    atomic {                                                /* whatever was said: the fence is read back */
        if
        :: fence == next && what == NAMES - 1 -> goto look  /* done */
        :: fence == next && what < NAMES - 1 ->
            seen = next;
            what++;
            number++;
            next = FENCE(plan, STEP(seen) + 1, what == NAMES - 1, me, number);
            goto send
        :: fence == seen -> goto send                       /* the very same write again */
        :: else -> goto look                                /* somebody else was faster */
        fi
    }
}

active proctype Network() {
    short expected, next;
    byte what;
end:
    do
    :: atomic { late?expected, next, what -> arrive(expected, next, what) }
    od
}

active proctype CleanUp() {
    byte lowest;
end:
    do
    :: atomic { DONE(fence) && PLAN(fence) > 1 && kept[PLAN(fence) - 1] -> lowest = PLAN(fence) };
        atomic {                                            /* a reading that may be old when it is acted upon */
            do
            :: lowest > 1 -> lowest--; kept[lowest] = false
            :: else -> break
            od
        }
    od
}

ltl installed { <>[] (PLAN(fence) == PLANS && DONE(fence) && name[0] == PLANS && name[1] == PLANS) }

#else

/* One check at the start, a lock around each change, clean-up below one's own plan, no way back to what is gone. */
bool locked;

proctype Enactor(byte me) {
    byte plan, what, old;

look:
    what = 0;
end:
    atomic { (newest > name[0]) || (newest > name[1]) -> plan = newest };   /* checked once; what follows may take for ever */
    do
    :: what < NAMES ->
        atomic { !locked -> locked = true };
        (kept[plan] && kept[name[what]]);                   /* the rollback record cannot point at what is gone */
        name[what] = plan;
        locked = false;
        what++
    :: else -> break
    od;
    old = 1;
    do
    :: old < plan -> kept[old] = false; assert(kept[name[0]] && kept[name[1]]); old++    /* no name is empty */
    :: else -> break
    od;
    goto look
}

#endif

active proctype Planner() {
    do
    :: newest < PLANS -> atomic { kept[newest + 1] = true; newest++ }
    :: else -> break
    od
}

init {
    atomic {
        kept[1] = true;
        name[0] = 1;
        name[1] = 1;
        byte who = 0;
        do
        :: who < ENACTORS -> run Enactor(who); who++
        :: else -> break
        od
    }
}
