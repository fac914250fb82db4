"""Everything about quotes."""

import json

LAST = {}
COUNT = 0
MSGS = []


def do_quote(data, p=True, x=None):
    global LAST, COUNT, MSGS
    MSGS = []
    COUNT = COUNT + 1
    if type(data) == str:
        f = open(data, encoding="utf-8")
        d = json.loads(f.read())
        f.close()
    else:
        d = data
    w = 0
    v = 0
    n = 0
    for i in d["items"]:
        q = 1
        if "quantity" in i:
            q = i["quantity"]
        w = w + i["grams"] * q
        v = v + i["cents"] * q
        n = n + q
    if n == 0:
        MSGS.append("nothing to ship")
        LAST = {"total": 0, "shipping": 0, "goods": 0, "days": 0}
        if p:
            print("nothing to ship")
        return LAST
    z = d["zone"]
    s = 0
    t = 0
    if z == "home":
        if w <= 500:
            s = 290
            t = 1
        else:
            if w <= 2000:
                s = 490
                t = 1
            else:
                if w <= 10000:
                    s = 790
                    t = 2
                else:
                    s = 790
                    r = w - 10000
                    while r > 0:
                        s = s + 45
                        r = r - 1000
                    t = 3
        if "express" in d and d["express"] == True:
            s = s + 600
            t = 1
        if v >= 5000:
            if not ("express" in d and d["express"] == True):
                s = 0
                MSGS.append("free shipping from 50.00")
    elif z == "near":
        if w <= 500:
            s = 590
            t = 3
        else:
            if w <= 2000:
                s = 990
                t = 3
            else:
                if w <= 10000:
                    s = 1490
                    t = 4
                else:
                    s = 1490
                    r = w - 10000
                    while r > 0:
                        s = s + 95
                        r = r - 1000
                    t = 5
        if "express" in d and d["express"] == True:
            s = s + 1200
            t = 2
        if v >= 10000:
            if not ("express" in d and d["express"] == True):
                s = 0
                MSGS.append("free shipping from 100.00")
    elif z == "far":
        if w <= 500:
            s = 990
            t = 8
        else:
            if w <= 2000:
                s = 1990
                t = 8
            else:
                if w <= 10000:
                    s = 3990
                    t = 10
                else:
                    s = 3990
                    r = w - 10000
                    while r > 0:
                        s = s + 310
                        r = r - 1000
                    t = 14
        if "express" in d and d["express"] == True:
            s = s + 2500
            t = 4
        # far is never free
    else:
        MSGS.append("unknown zone " + str(z))
        if p:
            print("unknown zone " + str(z))
        raise ValueError("unknown zone " + str(z))
    disc = 0
    if "code" in d and d["code"] != None and d["code"] != "":
        if d["code"] == "HELLO10":
            disc = v * 10 // 100
            MSGS.append("10 % welcome")
        elif d["code"] == "SPRING":
            if v >= 3000:
                disc = 500
                MSGS.append("5.00 spring")
            else:
                MSGS.append("SPRING needs 30.00")
        elif d["code"] == "FRIEND":
            disc = v * 15 // 100
            if disc > 2000:
                disc = 2000
            MSGS.append("15 % friend")
        else:
            MSGS.append("unknown code " + d["code"])
    if "gift" in d and d["gift"] == True:
        s = s + 350
        MSGS.append("gift wrap 3.50")
    if "customer" in d and LAST.get("customer") == d["customer"] and LAST.get("total", 0) > 0:
        s = s - s * 5 // 100
        MSGS.append("5 % off shipping, second order in a row")
    tot = v - disc + s
    LAST = {"total": tot, "shipping": s, "goods": v, "days": t, "discount": disc, "customer": d.get("customer"), "notes": list(MSGS)}
    if p:
        print("Offer " + str(d.get("number", COUNT)))
        print("-" * 30)
        for i in d["items"]:
            q = 1
            if "quantity" in i:
                q = i["quantity"]
            a = str(i["cents"] * q // 100) + "." + ("0" + str(i["cents"] * q % 100))[-2:]
            print((str(q) + " x " + i["name"])[:20].ljust(20) + a.rjust(10))
        a = str(v // 100) + "." + ("0" + str(v % 100))[-2:]
        print("goods".ljust(20) + a.rjust(10))
        if disc > 0:
            a = str(disc // 100) + "." + ("0" + str(disc % 100))[-2:]
            print("discount".ljust(20) + ("-" + a).rjust(10))
        a = str(s // 100) + "." + ("0" + str(s % 100))[-2:]
        print("shipping".ljust(20) + a.rjust(10))
        a = str(tot // 100) + "." + ("0" + str(tot % 100))[-2:]
        print("total".ljust(20) + a.rjust(10))
        print("arrives in " + str(t) + (" day" if t == 1 else " days"))
        for m in MSGS:
            print("* " + m)
    return LAST
